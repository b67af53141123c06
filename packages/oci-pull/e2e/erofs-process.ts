// A process of its own that makes an EROFS image of a layout's one image, as another user:
// node erofs-process.ts LAYOUT STORE [ID]
import { erofsImage, ImageStore, importLayout } from '../src/index.ts';

const [layout = '', directory = '', id] = process.argv.slice(2);
if (id !== undefined) {
  // Not before everything is loaded: the checkout may lie where only root can read.
  process.setgroups?.([]);
  process.setgid?.(Number(id));
  process.setuid?.(Number(id));
}
const store = await ImageStore.open(directory);
const platform = { os: 'linux', architecture: 'amd64' };
const image = await importLayout(layout, { store, platform, reference: 'a' });
console.log((await erofsImage(image, { store })).path);
