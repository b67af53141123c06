// A process of its own, to be killed at any moment: pulls an image and unpacks and flattens it.
// node crash-process.ts directory|erofs STORE REFERENCE UNPACKED
import { ImageStore, pullAndUnpack, pullToErofs } from '../src/index.ts';

const [target = '', directory = '', reference = '', unpacked = ''] = process.argv.slice(2);
const store = await ImageStore.open(directory);
const options = { store, platform: { os: 'linux', architecture: 'amd64' } };
console.log('begun');
if (target === 'erofs') await pullToErofs(reference, options);
else await pullAndUnpack(reference, { ...options, directory: unpacked });
console.log('done');
