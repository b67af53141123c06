import type { BlobTier } from './blob-tier.ts';
import { copyImage, type ReadLayers } from './copy-image.ts';
import type { ImageStore } from './image-store.ts';
import type { Platform } from './platform.ts';
import type { PullProgress } from './progress.ts';
import { formatReference, type ImageReference, parseReference } from './reference.ts';
import { fromSources, type SourceOptions } from './source-chain.ts';
import { findImage, type StoredImage } from './stored-image.ts';

export interface PullImageOptions extends SourceOptions {
  store: ImageStore;
  platform: Platform;
  /** Asked for layers before a layout or a registry is, in order. Default: none. */
  tiers?: readonly BlobTier[] | undefined;
  onProgress?: ((progress: PullProgress) => void) | undefined;
}

/**
 * Brings an image into a store: the manifest for the platform, its config and its layers, each verified by its digest.
 * It is looked for in the store, in `layouts`, at the registry's mirrors and at the registry, in this order.
 * Blobs that are there already are not fetched again.
 *
 * @returns The complete image.
 * @throws {OciError} Whose `reason` tells what went wrong; the store has no new image then, and nothing half-done.
 *   When the signal was aborted, its reason is thrown.
 */
export async function pullImage(reference: string | ImageReference, options: PullImageOptions): Promise<StoredImage> {
  return await pullThrough(reference, options, undefined);
}

/** Pulls an image; what is fetched goes through `readLayers` on its way, which is not called for a stored image. */
export async function pullThrough(
  reference: string | ImageReference,
  options: PullImageOptions,
  readLayers: ReadLayers | undefined,
): Promise<StoredImage> {
  const { store, platform, tiers, signal, onProgress } = options;
  signal?.throwIfAborted();
  const parsed = typeof reference === 'string' ? parseReference(reference, options) : reference;
  const origin = formatReference(parsed);
  const name = typeof reference === 'string' ? reference : origin;
  const stored = await findImage(store, parsed, platform);
  const inStore = stored === undefined ? undefined : { ...stored, value: stored };
  const image = await fromSources(parsed, options, inStore, store.directory, async (source) => {
    return await copyImage(source, { store, name, origin, platform, tiers, signal, onProgress, readLayers });
  });
  if (image !== stored) return image;
  reportStored(image, onProgress);
  return { ...image, name };
}

function reportStored(image: StoredImage, onProgress: ((progress: PullProgress) => void) | undefined): void {
  const { digest, platform, sizes, layers } = image;
  onProgress?.({ type: 'resolved', digest, platform, total: sizes.layers });
  for (const layer of new Map(layers.map((each) => [each.digest, each])).values()) {
    const { digest: blob, size } = layer;
    onProgress?.({ type: 'blob', digest: blob, bytes: size, total: size, rate: 0, state: 'exists' });
  }
}
