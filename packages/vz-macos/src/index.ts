export { type CloneBundleOptions, cloneBundle } from './bundle/clone-bundle.ts';
export { type DecodeOptions, decodeAppleLz4, encodeAppleLz4 } from './lz4/apple-lz4.ts';
export { BUNDLE_FILES, type MacBundle, type MacBundleManifest, openBundle } from './mac-bundle.ts';
export { VM_SLOTS, VmSlot, type VmSlotOptions } from './slots/vm-slot.ts';
export { type DiskProgress, type PullTartImageOptions, pullTartImage } from './tart/pull-tart-image.ts';
export { parseTartConfig, type TartConfig } from './tart/tart-config.ts';
