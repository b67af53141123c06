import { copyImage } from './copy-image.ts';
import type { ImageStore } from './image-store.ts';
import { LayoutSource } from './layout-source.ts';
import type { Platform } from './platform.ts';
import type { PullProgress } from './progress.ts';
import { formatReference, parseReference } from './reference.ts';
import type { StoredImage } from './stored-image.ts';

export interface ImportLayoutOptions {
  store: ImageStore;
  platform: Platform;
  /** The name that the image gets in the store. */
  reference: string;
  /** Which image of the layout, by its `org.opencontainers.image.ref.name`. Needed only if there are several. */
  name?: string | undefined;
  defaultRegistry?: string | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: PullProgress) => void) | undefined;
}

/**
 * Copies an image from a directory in OCI image-layout form into a store, verifying every digest on the way.
 *
 * @throws {OciError} `INVALID_LAYOUT` if the directory is none, `IMAGE_UNKNOWN` if the layout has no such image.
 */
export async function importLayout(directory: string, options: ImportLayoutOptions): Promise<StoredImage> {
  const origin = formatReference(parseReference(options.reference, options));
  const source = new LayoutSource(directory, options.name);
  return await copyImage(source, { ...options, name: options.reference, origin });
}
