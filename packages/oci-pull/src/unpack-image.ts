import { chmod, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { applyLayer } from './apply-layer.ts';
import { type Digest, splitDigest } from './digest.ts';
import { messageOf, OciError, systemErrorCode } from './errors.ts';
import type { ImageStore } from './image-store.ts';
import { JsonDocument } from './json-document.ts';
import { RootfsTree } from './rootfs-tree.ts';
import { abandonedStagingPaths, newStagingPath } from './staging.ts';
import type { StoredImage } from './stored-image.ts';
import { UnpackBudget, type UnpackLimits } from './unpack-budget.ts';
import { LossRecorder, type UnpackLosses } from './unpack-losses.ts';

/** Progress through the layers, the lowest first. */
export interface UnpackProgress {
  readonly type: 'layer';
  readonly digest: Digest;
  /** From 1. */
  readonly number: number;
  readonly count: number;
  readonly state: 'unpacking' | 'done';
}

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
  const { signal = new AbortController().signal } = options;
  signal.throwIfAborted();
  const base = resolve(options.directory);
  const { algorithm, hex } = splitDigest(image.digest);
  const target = join(base, algorithm, hex);
  try {
    const losses = await readLosses(target);
    if (losses !== undefined) return { digest: image.digest, rootfs: join(target, 'rootfs'), existed: true, losses };

    const stagingDirectory = join(base, 'staging');
    for (const path of await abandonedStagingPaths(stagingDirectory)) await removeTree(path);
    const staged = await newStagingPath(stagingDirectory);
    try {
      return await unpackInto(staged, target, image, { ...options, signal });
    } finally {
      await removeTree(staged);
    }
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
  { store, limits, signal, onProgress }: UnpackImageOptions & { signal: AbortSignal },
): Promise<UnpackedImage> {
  const stagedRootfs = join(staged, 'rootfs');
  await mkdir(staged, { mode: 0o700 });
  await mkdir(stagedRootfs, { mode: 0o700 });
  const budget = new UnpackBudget(limits);
  const recorder = new LossRecorder();
  const tree = new RootfsTree(stagedRootfs, budget, recorder);
  const count = image.layers.length;
  for (const [index, { digest, diffId }] of image.layers.entries()) {
    const report = (state: 'unpacking' | 'done') =>
      onProgress?.({ type: 'layer', digest, number: index + 1, count, state });
    report('unpacking');
    const context = { tree, budget, losses: recorder, signal, image: image.reference, layer: digest };
    await applyLayer(store.openBlob(digest), diffId, context);
    report('done');
  }
  tree.finish();
  const { losses } = recorder;
  await writeFile(join(staged, 'unpacked.json'), `${JSON.stringify({ reference: image.reference, losses })}\n`);

  signal.throwIfAborted();
  await mkdir(dirname(target), { recursive: true });
  try {
    await rename(staged, target);
  } catch (error) {
    // Another process was quicker. It unpacked the same digest, so its tree is as good.
    const existing = await readLosses(target);
    if (existing === undefined) throw error;
    return { digest: image.digest, rootfs: join(target, 'rootfs'), existed: true, losses: existing };
  }
  return { digest: image.digest, rootfs: join(target, 'rootfs'), existed: false, losses };
}

/** What was lost when a complete directory was unpacked; undefined if there is none. */
async function readLosses(target: string): Promise<UnpackLosses | undefined> {
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

/** Removes a tree of which some directories may be closed to their own user. */
async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (systemErrorCode(error) !== 'EACCES' && systemErrorCode(error) !== 'EPERM') throw error;
    await openDirectories(Buffer.from(path));
    await rm(path, { recursive: true, force: true });
  }
}

async function openDirectories(path: Buffer): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return;
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true, encoding: 'buffer' })) {
    if (entry.isDirectory()) await openDirectories(Buffer.concat([path, Buffer.from('/'), entry.name]));
  }
}
