import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { archivedImages } from './archive-source.ts';
import { copyImage } from './copy-image.ts';
import { messageOf, OciError, systemErrorCode } from './errors.ts';
import type { ImageStore } from './image-store.ts';
import type { Platform } from './platform.ts';
import type { PullProgress } from './progress.ts';
import { formatReference, parseReference } from './reference.ts';
import { removeTree } from './remove-tree.ts';
import { SpooledArchive } from './spooled-archive.ts';
import { newStagingPath } from './staging.ts';
import type { StoredImage } from './stored-image.ts';
import type { UnpackLimits } from './unpack-budget.ts';

export interface ImportArchiveOptions {
  store: ImageStore;
  platform: Platform;
  /** Name for an image that has none in the archive. Default: none, so that such an image is an error. */
  reference?: string | undefined;
  /** Bounds of the archive itself: bytes and entries uncompressed, and what each compressed byte may become. */
  limits?: UnpackLimits | undefined;
  defaultRegistry?: string | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: PullProgress) => void) | undefined;
}

/**
 * Reads images from a tar archive: what `docker save` writes, in its old form and in its new one, or an OCI image layout
 * (`skopeo copy … oci-archive:`), compressed or not. It is read once, from front to end, so it may come from a pipe.
 *
 * @param archive Path of a file, or the bytes.
 * @returns Every image, once for each of its names.
 * @throws {OciError} `INVALID_LAYOUT` if it is no such archive. Images that came before the fault stay.
 */
export async function importArchive(
  archive: string | AsyncIterable<Uint8Array>,
  { store, platform, reference, limits, defaultRegistry, signal: outer, onProgress }: ImportArchiveOptions,
): Promise<StoredImage[]> {
  const signal = outer ?? new AbortController().signal;
  signal.throwIfAborted();
  const name = typeof archive === 'string' ? archive : 'from a stream';
  const content = typeof archive === 'string' ? createReadStream(archive, { highWaterMark: 256 * 1024 }) : archive;
  const directory = await newStagingPath(join(store.directory, 'staging'));
  try {
    await mkdir(directory, { mode: 0o700 });
    const spooled = await SpooledArchive.read(content, name, directory, limits, signal);
    const images: StoredImage[] = [];
    for (const { names, source } of await archivedImages(spooled, name)) {
      const wanted = names.length > 0 || reference === undefined ? names : [reference];
      if (wanted.length === 0) {
        throw new OciError('INVALID_REFERENCE', `An image in the archive ${name} has no name.`, {
          subject: name,
          remedy: 'Say by which reference it is to be stored.',
        });
      }
      for (const each of wanted) {
        const origin = formatReference(parseReference(each, { defaultRegistry }));
        images.push(await copyImage(source, { store, platform, name: each, origin, signal, onProgress }));
      }
    }
    return images;
  } catch (error) {
    signal.throwIfAborted();
    if (systemErrorCode(error) === undefined || error instanceof OciError) throw error;
    throw new OciError('INVALID_LAYOUT', `The archive ${name} cannot be read: ${messageOf(error)}`, {
      subject: name,
      cause: error,
    });
  } finally {
    await removeTree(directory);
  }
}
