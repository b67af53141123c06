// A process of its own that pulls an image and tells its peak memory in MiB:
// node memory-process.ts directory|erofs REFERENCE FOLDER
import { readFile } from 'node:fs/promises';
import { ImageStore, pullAndUnpack, pullToErofs } from '../src/index.ts';

const [target = '', reference = '', folder = ''] = process.argv.slice(2);
const store = await ImageStore.open(`${folder}/images`);
const options = { store, platform: { os: 'linux', architecture: 'amd64' } };
if (target === 'erofs') await pullToErofs(reference, options);
else await pullAndUnpack(reference, { ...options, directory: `${folder}/unpacked` });
// Not getrusage: on Linux it also knows what the parent had before it became this program.
const [, kilobytes] = /^VmHWM:\s*(\d+) kB$/m.exec(await readFile('/proc/self/status', 'utf8')) ?? [];
console.log(Number(kilobytes) / 1024);
