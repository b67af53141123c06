import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { buildOnce } from './build-once.ts';
import { type Digest, splitDigest } from './digest.ts';
import { messageOf, OciError, systemErrorCode } from './errors.ts';
import { flattenLayers, type OpenLayer, type UnpackProgress } from './flatten-layers.ts';
import type { ImageStore } from './image-store.ts';
import { JsonDocument } from './json-document.ts';
import { removeTree } from './remove-tree.ts';
import { RootfsDirectory } from './rootfs-directory.ts';
import type { StoredImage } from './stored-image.ts';
import type { UnpackLimits } from './unpack-budget.ts';
import { LossRecorder, type UnpackLosses } from './unpack-losses.ts';
import { WriteBehind } from './write-behind.ts';

export interface UnpackImageOptions {
  store: ImageStore;
  /** Directory that holds unpacked images, each under its digest. Made if need be. */
  directory: string;
  limits?: UnpackLimits | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: UnpackProgress) => void) | undefined;
}

export interface UnpackedImage {
  /** Digest of the image's manifest. */
  readonly digest: Digest;
  /** The image's root directory. It lies in a directory that only its owner may enter, because of setuid files. */
  readonly rootfs: string;
  /** True if it had been unpacked before. */
  readonly existed: boolean;
  readonly losses: UnpackLosses;
}

/**
 * Unpacks an image's layers into a directory of its own, `{directory}/sha256/{hex of the manifest digest}/rootfs`.
 * It appears there complete or not at all; when it is there already, nothing is done.
 *
 * As root, files get the owners, modes and device nodes of the image. Without root they belong to this process's user.
 *
 * @throws {OciError} Naming image, layer and entry; nothing is left behind. The signal's reason if it was aborted.
 */
export async function unpackImage(image: StoredImage, options: UnpackImageOptions): Promise<UnpackedImage> {
  return await unpackLayers(image, ({ digest }) => options.store.openBlob(digest), options);
}

/** Unpacks layers from wherever they are opened. */
export async function unpackLayers(
  image: StoredImage,
  open: OpenLayer,
  options: Omit<UnpackImageOptions, 'store'>,
): Promise<UnpackedImage> {
  const { signal = new AbortController().signal } = options;
  signal.throwIfAborted();
  const base = resolve(options.directory);
  const { algorithm, hex } = splitDigest(image.digest);
  const target = join(base, algorithm, hex);
  const writeBehind = new WriteBehind({
    directory: base,
    lock: join(base, 'unsynced.lock'),
    isSound: async () => false,
  });
  try {
    await writeBehind.settle(signal);
    return await buildOnce({
      target,
      staging: join(base, 'staging'),
      signal,
      find: () => findUnpacked(target, image.digest),
      build: async (staged) => {
        await using _unsynced = await writeBehind.begin([join(algorithm, hex)], signal);
        return await unpackInto(staged, target, image, open, { ...options, signal });
      },
      remove: removeTree,
    });
  } catch (error) {
    if (error instanceof OciError || systemErrorCode(error) === undefined) throw error;
    signal.throwIfAborted();
    throw new OciError('UNPACK_FAILED', `Cannot unpack ${image.reference} into ${base}: ${messageOf(error)}`, {
      subject: image.reference,
      remedy: 'Check that the directory can be written to and has space.',
      cause: error,
    });
  }
}

async function unpackInto(
  staged: string,
  target: string,
  image: StoredImage,
  open: OpenLayer,
  options: Omit<UnpackImageOptions, 'store'> & { signal: AbortSignal },
): Promise<UnpackedImage> {
  await mkdir(staged, { mode: 0o700 });
  const recorder = new LossRecorder();
  const rootfs = await RootfsDirectory.make(staged);
  const tree = await flattenLayers(image, open, rootfs, options);
  await rootfs.finish(tree, recorder, options.signal);
  const { losses } = recorder;
  await writeFile(join(staged, 'unpacked.json'), `${JSON.stringify({ reference: image.reference, losses })}\n`);
  options.signal.throwIfAborted();
  await rename(staged, target);
  return { digest: image.digest, rootfs: join(target, 'rootfs'), existed: false, losses };
}

async function findUnpacked(target: string, digest: Digest): Promise<UnpackedImage | undefined> {
  const losses = await readLosses(target);
  return losses === undefined ? undefined : { digest, rootfs: join(target, 'rootfs'), existed: true, losses };
}

/** What was lost when a complete directory was unpacked; undefined if there is none. */
export async function readLosses(target: string): Promise<UnpackLosses | undefined> {
  const path = join(target, 'unpacked.json');
  try {
    const losses = JsonDocument.parse(await readFile(path), path, 'UNPACK_FAILED').document('losses');
    return {
      owners: losses.count('owners'),
      xattrs: losses.count('xattrs'),
      devices: losses.count('devices'),
      examples: losses.strings('examples'),
    };
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
