import type { Architecture } from '@zlayer/runtime-core';
import { BUNDLE_FILES, type BundleFile, MANIFEST_FILE } from './bundle-manifest.ts';

/**
 * How a bundle lies in a registry: as an image that nobody runs, with one layer for each file, so that a bundle with a
 * new agent shares its kernel with the one before. Unpacked over each other, the layers are a folder `vz-linux`.
 */
export const ARTIFACT_TYPE = 'application/vnd.zlayer.vz-linux.bundle.v1';
export const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
export const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';
export const FOLDER = 'vz-linux';

/** What the files are called there. Other hosts look for a compressed initramfs under this name. */
export const LAYER_FILES = { ...BUNDLE_FILES, initramfs: `${BUNDLE_FILES.initramfs}.gz` } as const satisfies Record<
  BundleFile,
  string
>;

/** Every path that a layer may hold, and what lies there. */
export const LAYER_PATHS: ReadonlyMap<string, BundleFile | 'manifest'> = new Map([
  [`${FOLDER}/${LAYER_FILES.kernel}`, 'kernel'],
  [`${FOLDER}/${LAYER_FILES.initramfs}`, 'initramfs'],
  [`${FOLDER}/${LAYER_FILES.volumeTemplate}`, 'volumeTemplate'],
  [`${FOLDER}/${MANIFEST_FILE}`, 'manifest'],
]);

/** A reference without tag and digest means the one for an architecture: `…/vz-linux:arm64`. */
export function bundleReference(reference: string, architecture: Architecture): string {
  const isComplete = /[:@]/.test(reference.slice(reference.lastIndexOf('/') + 1)) || reference.includes('@');
  return isComplete ? reference : `${reference}:${architecture}`;
}
