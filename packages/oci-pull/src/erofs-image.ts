import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ErofsError, ErofsWriter } from '@zlayer/erofs';
import { buildOnce } from './build-once.ts';
import { type Digest, splitDigest } from './digest.ts';
import { ErofsContents } from './erofs-contents.ts';
import { messageOf, OciError, systemErrorCode } from './errors.ts';
import { type FlattenOptions, flattenLayers, type OpenLayer, type UnpackProgress } from './flatten-layers.ts';
import type { ImageStore } from './image-store.ts';
import type { StoredImage } from './stored-image.ts';
import type { UnpackLimits } from './unpack-budget.ts';

export interface ErofsImageOptions {
  /** Holds the layers, and the EROFS images made of them. */
  store: ImageStore;
  limits?: UnpackLimits | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: UnpackProgress) => void) | undefined;
}

export interface ErofsImageFile {
  /** Digest of the image's manifest. */
  readonly digest: Digest;
  /** A file system image for reading, as many guests at a time as wanted. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** True if it had been made before. */
  readonly existed: boolean;
}

/**
 * Flattens an image's layers into one read-only EROFS file system image, `erofs/v2/sha256/{hex of the manifest
 * digest}.erofs` in the store. It is there complete or not at all, and made once, also when several processes want it.
 *
 * Everything of the image is kept, whoever makes it and on whatever file system: owners, modes with setuid, device nodes,
 * extended attributes, times to the nanosecond, names of any bytes and case. The same image gives the same bytes.
 *
 * @throws {OciError} Naming image, layer and entry; nothing is left behind. The signal's reason if it was aborted.
 */
export async function erofsImage(image: StoredImage, options: ErofsImageOptions): Promise<ErofsImageFile> {
  return await flattenToErofs(image, ({ digest }) => options.store.openBlob(digest), options);
}

/** Directory of a store's EROFS images, by algorithm. The version changes when the same image gives other bytes. */
export function erofsDirectory(storeDirectory: string): string {
  return join(storeDirectory, 'erofs', 'v2');
}

/** Flattens layers from wherever they are opened. */
export async function flattenToErofs(
  image: StoredImage,
  open: OpenLayer,
  { store, limits, signal = new AbortController().signal, onProgress }: ErofsImageOptions,
): Promise<ErofsImageFile> {
  signal.throwIfAborted();
  const { digest } = image;
  const { algorithm, hex } = splitDigest(digest);
  const target = join(erofsDirectory(store.directory), algorithm, `${hex}.erofs`);
  const find = async (): Promise<ErofsImageFile | undefined> => {
    const found = await sizeOf(target);
    return found === undefined ? undefined : { digest, path: target, size: found, existed: true };
  };
  const build = async (staged: string): Promise<ErofsImageFile> => {
    await using unsynced = await store.writeBehind([target], signal);
    const bytes = await writeErofs(image, open, staged, { limits, signal, onProgress, sync: unsynced.mustSync });
    await rename(staged, target);
    return { digest, path: target, size: bytes, existed: false };
  };
  const remove = (path: string) => rm(path, { force: true });
  try {
    return await buildOnce({ target, staging: join(store.directory, 'erofs', 'staging'), signal, find, build, remove });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ErofsError) && systemErrorCode(error) === undefined) throw error;
    if (error instanceof OciError) throw error;
    throw new OciError('UNPACK_FAILED', `Cannot make an EROFS image of ${image.reference}: ${messageOf(error)}`, {
      subject: image.reference,
      remedy: `Check that ${store.directory} can be written to and has space.`,
      cause: error,
    });
  }
}

/** Flattens layers into a file, which is there complete or not at all. Returns its bytes. */
export async function writeErofs(
  image: StoredImage,
  open: OpenLayer,
  path: string,
  { sync, ...options }: FlattenOptions & { sync: boolean },
): Promise<number> {
  await using writer = await ErofsWriter.create(path, { uuid: uuidOf(image.digest), signal: options.signal, sync });
  const contents = new ErofsContents(writer);
  const tree = await flattenLayers(image, open, contents, options);
  return (await writer.finish(contents.nodes(tree))).bytes;
}

/** The digest stands for the content already, so that nothing has to be summed up for it: RFC 9562's version 8. */
function uuidOf(digest: Digest): string {
  const { hex } = splitDigest(digest);
  const variant = (Number.parseInt(hex.slice(16, 17), 16) & 3) | 8;
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`];
  return [...parts, variant.toString(16) + hex.slice(17, 20), hex.slice(20, 32)].join('-');
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
