// A process of its own that pulls an image: node pull-process.ts STORE REFERENCE [report]
import { ImageStore, pullImage } from '../src/index.ts';

const [directory = '', reference = '', report = ''] = process.argv.slice(2);
const store = await ImageStore.open(directory);
const image = await pullImage(reference, {
  store,
  platform: { os: 'linux', architecture: 'amd64' },
  policy: 'always',
  onProgress: (event) => {
    if (report !== '' && event.type === 'blob') console.log(event.bytes);
  },
});
console.log(image.digest);
