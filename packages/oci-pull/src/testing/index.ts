export { type BusyboxLayerOptions, busyboxLayer } from './busybox-layer.ts';
export { directoryEntries } from './directory-entries.ts';
export {
  type Blob,
  type BuiltImage,
  buildImage,
  buildIndex,
  type ImageInput,
  type LayerInput,
  writeImageLayout,
} from './image-layout.ts';
export { pushLayout } from './push-layout.ts';
export { type RegistryServer, type RegistryServerOptions, startRegistry } from './registry-server.ts';
export { type TarInput, writeTar } from './tar-writer.ts';
