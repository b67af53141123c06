/** pull-process.ts REFERENCE DIRECTORY: pulls an image, and says how far it is. */
import { pullTartImage } from '../src/index.ts';

const [, , reference = '', directory = ''] = process.argv;
await pullTartImage(reference, {
  directory,
  onProgress: (progress) => {
    if (progress.type === 'disk') process.stdout.write(`${progress.bytes}\n`);
  },
});
process.stdout.write('done\n');
