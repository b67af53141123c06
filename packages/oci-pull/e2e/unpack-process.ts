// A process of its own that unpacks an image of a store: node unpack-process.ts STORE REFERENCE DIRECTORY
import { findImage, ImageStore, unpackImage } from '../src/index.ts';

const [storeDirectory = '', reference = '', directory = ''] = process.argv.slice(2);
const store = await ImageStore.open(storeDirectory);
const image = await findImage(store, reference, { os: 'linux', architecture: 'amd64' });
if (image === undefined) throw new Error(`${reference} is not in the store`);
console.log(JSON.stringify(await unpackImage(image, { store, directory })));
