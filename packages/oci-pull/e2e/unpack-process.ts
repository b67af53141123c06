// A process of its own that unpacks an image of a store as another user:
// node unpack-process.ts STORE REFERENCE DIRECTORY [ID]
import { findImage, ImageStore, unpackImage } from '../src/index.ts';

const [storeDirectory = '', reference = '', directory = '', id] = process.argv.slice(2);
if (id !== undefined) {
  // Not before everything is loaded: the checkout may lie where only root can read.
  process.setgroups?.([]);
  process.setgid?.(Number(id));
  process.setuid?.(Number(id));
}
const store = await ImageStore.open(storeDirectory);
const image = await findImage(store, reference, { os: 'linux', architecture: 'amd64' });
if (image === undefined) throw new Error(`${reference} is not in the store`);
console.log(JSON.stringify(await unpackImage(image, { store, directory })));
