// One pull by this project, in a process of its own: node pull.mjs directory|erofs REFERENCE FOLDER
// It prints how many milliseconds the same pull takes again. In JavaScript, as users run it from dist: Node's loader for
// TypeScript alone takes 17 MiB.

import { ImageStore, pullAndUnpack, pullImage, pullToErofs } from '../../packages/oci-pull/dist/index.js';

const [target = '', reference = '', folder = ''] = process.argv.slice(2);
const store = await ImageStore.open(`${folder}/images`);
const options = { store, platform: { os: 'linux', architecture: 'amd64' } };
if (target === 'erofs') await pullToErofs(reference, options);
else await pullAndUnpack(reference, { ...options, directory: `${folder}/rootfs` });
const began = performance.now();
await pullImage(reference, options);
console.log(performance.now() - began);
