import type { Credentials } from './authentication.ts';
import { copyImage } from './copy-image.ts';
import { OciError } from './errors.ts';
import type { ImageStore } from './image-store.ts';
import { formatPlatform, type Platform } from './platform.ts';
import type { PullProgress } from './progress.ts';
import { formatReference, type ImageReference, parseReference } from './reference.ts';
import { RegistrySource } from './registry-source.ts';
import { findImage, type StoredImage } from './stored-image.ts';

/** `always` asks the registry each time; `never` only looks into the store. */
export type PullPolicy = 'always' | 'ifNotPresent' | 'never';

export interface PullImageOptions {
  store: ImageStore;
  platform: Platform;
  /** Default: none, which is enough for public images. */
  credentials?: Credentials | undefined;
  /** Default: `ifNotPresent`. */
  policy?: PullPolicy | undefined;
  /** Registry of names that have none. Default: `ZLAYER_DEFAULT_REGISTRY`, or else `docker.io`. */
  defaultRegistry?: string | undefined;
  /** Registries (`host` or `host:port`) that are spoken to over plain HTTP. Loopback hosts always are. */
  insecureRegistries?: readonly string[] | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: PullProgress) => void) | undefined;
}

/**
 * Brings an image into a store: the manifest for the platform, its config and its layers, each verified by its digest.
 * Blobs that are there already are not fetched again.
 *
 * @returns The complete image.
 * @throws {OciError} Whose `reason` tells what went wrong; the store has no new image then, and nothing half-done.
 *   When the signal was aborted, its reason is thrown.
 */
export async function pullImage(reference: string | ImageReference, options: PullImageOptions): Promise<StoredImage> {
  const { store, platform, policy = 'ifNotPresent', signal, onProgress } = options;
  signal?.throwIfAborted();
  const parsed = typeof reference === 'string' ? parseReference(reference, options) : reference;
  const origin = formatReference(parsed);
  const name = typeof reference === 'string' ? reference : origin;
  if (policy !== 'always') {
    const found = await findImage(store, parsed, platform);
    if (found !== undefined) return { ...found, name };
    if (policy === 'never') {
      throw new OciError('IMAGE_UNKNOWN', `${origin} for ${formatPlatform(platform)} is not in ${store.directory}.`, {
        subject: origin,
        remedy: 'Pull it, or choose another pull policy than never.',
      });
    }
  }
  await using source = new RegistrySource(parsed, options);
  return await copyImage(source, { store, name, origin, platform, signal, onProgress });
}
