import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { imageFault } from '@zlayer/erofs';
import { type Digest, isDigest } from './digest.ts';
import { erofsDirectory, writeErofs } from './erofs-image.ts';
import { OciError, systemErrorCode } from './errors.ts';
import { hashFile } from './hash-file.ts';
import type { ImageStore } from './image-store.ts';
import { parseArtifact } from './manifest.ts';
import { removeTree } from './remove-tree.ts';
import { listDirectory, newStagingPath } from './staging.ts';
import { loadImage } from './stored-image.ts';
import { readLosses } from './unpack-image.ts';

export interface VerifyOptions {
  /**
   * Moves damaged blobs to `quarantine/` in the store, so that the next pull fetches them again, and removes damaged EROFS
   * images and unpacked directories, which are made anew when they are wanted. Default: false.
   */
  quarantine?: boolean | undefined;
  /** Directories of unpacked images (`directory` of `unpackImage`) to look into. Default: none. */
  unpackedDirectories?: readonly string[] | undefined;
  signal?: AbortSignal | undefined;
  /** Hears of each blob, after it was read. */
  onProgress?: ((progress: { readonly digest: Digest; readonly isDamaged: boolean }) => void) | undefined;
}

export interface StoreReport {
  /** Blobs that were read. */
  readonly blobs: number;
  readonly bytes: number;
  /** Blobs whose content is not what their name says. */
  readonly damaged: readonly Digest[];
  /** Blobs that a recorded image needs and that are not there, or are damaged. */
  readonly missing: readonly { readonly image: string; readonly digest: Digest }[];
  /**
   * Manifest digests of EROFS images that are not what the layers make: they are made once more and compared. If the
   * store has no name for the image, or not all of its layers, only its superblock and its length are looked at.
   */
  readonly damagedErofsImages: readonly Digest[];
  /** Unpacked images without their root or a readable `unpacked.json`. Their files are not compared. */
  readonly damagedDirectories: readonly string[];
}

/**
 * Reads every blob of a store and compares it with its digest, and every EROFS image with what its layers make. Others may
 * use the store meanwhile.
 */
export async function verifyStore(store: ImageStore, options: VerifyOptions = {}): Promise<StoreReport> {
  const { quarantine = false, signal, onProgress } = options;
  const damaged: Digest[] = [];
  let blobs = 0;
  let bytes = 0;
  for (const digest of await listBlobs(store)) {
    signal?.throwIfAborted();
    const found = await hashFile(store.blobPath(digest), digest, signal);
    // Another process may have removed it since the directory was listed.
    if (found === undefined) continue;
    blobs++;
    bytes += found.bytes;
    const isDamaged = found.digest !== digest;
    if (isDamaged) {
      damaged.push(digest);
      if (quarantine) await moveAway(store, digest);
    }
    onProgress?.({ digest, isDamaged });
  }
  const damagedErofsImages = await faultyErofsImages(store, new Set(damaged), quarantine, signal);
  const damagedDirectories = await faultyDirectories(options.unpackedDirectories ?? [], quarantine, signal);
  const missing = await missingBlobs(store, new Set(damaged));
  return { blobs, bytes, damaged, missing, damagedErofsImages, damagedDirectories };
}

async function faultyErofsImages(
  store: ImageStore,
  damaged: ReadonlySet<Digest>,
  remove: boolean,
  signal = new AbortController().signal,
): Promise<Digest[]> {
  const faulty: Digest[] = [];
  for (const { digest, path } of await listErofsImages(store)) {
    signal.throwIfAborted();
    try {
      if ((await imageFault(path)) === undefined && (await isAsRebuilt(store, digest, path, damaged, signal))) continue;
      faulty.push(digest);
      if (remove) await rm(path, { force: true });
    } catch (cause) {
      signal.throwIfAborted();
      if (systemErrorCode(cause) === 'ENOENT') continue;
      throw new OciError('STORE_FAILED', `The EROFS image ${path} cannot be read, or not be made again to compare.`, {
        subject: digest,
        remedy: `Check that ${store.directory} can be written to and has space.`,
        cause,
      });
    }
  }
  return faulty;
}

/** It was made of these layers before, so nothing bounds it now. */
const noLimits = { maximumBytes: Infinity, maximumEntries: Infinity, maximumRatio: Infinity };

/** Whether the layers make the same bytes again; also true if they are not there to be asked. */
async function isAsRebuilt(
  store: ImageStore,
  digest: Digest,
  path: string,
  damaged: ReadonlySet<Digest>,
  signal: AbortSignal,
): Promise<boolean> {
  await using _lease = await store.lease([digest], signal);
  const record = (await store.list()).find((each) => each.digest === digest);
  const image = record === undefined || damaged.has(digest) ? undefined : await loadImage(store, record);
  if (image === undefined) return true;
  if ([image.manifest.config, ...image.layers].some((blob) => damaged.has(blob.digest))) return true;
  const rebuilt = await newStagingPath(join(store.directory, 'erofs', 'staging'));
  try {
    await writeErofs(image, (layer) => store.openBlob(layer.digest), rebuilt, {
      limits: noLimits,
      signal,
      sync: false,
    });
    const [expected, actual] = [await hashFile(rebuilt, digest, signal), await hashFile(path, digest, signal)];
    return actual === undefined || actual.digest === expected?.digest;
  } finally {
    await rm(rebuilt, { force: true });
  }
}

/** All EROFS images of a store, by the digests of their manifests. */
export async function listErofsImages(store: ImageStore): Promise<{ digest: Digest; path: string }[]> {
  const images: { digest: Digest; path: string }[] = [];
  for (const algorithm of ['sha256', 'sha512']) {
    const directory = join(erofsDirectory(store.directory), algorithm);
    for (const name of (await listDirectory(directory)).sort()) {
      const digest = `${algorithm}:${basename(name, '.erofs')}`;
      if (name.endsWith('.erofs') && isDigest(digest)) images.push({ digest, path: join(directory, name) });
    }
  }
  return images;
}

async function faultyDirectories(bases: readonly string[], remove: boolean, signal?: AbortSignal): Promise<string[]> {
  const faulty: string[] = [];
  for (const base of bases.map((each) => resolve(each))) {
    for (const algorithm of ['sha256', 'sha512']) {
      for (const hex of (await listDirectory(join(base, algorithm))).sort()) {
        signal?.throwIfAborted();
        const path = join(base, algorithm, hex);
        if (!isDigest(`${algorithm}:${hex}`) || (await isUnpacked(path))) continue;
        faulty.push(path);
        if (!remove) continue;
        const aside = await newStagingPath(join(base, 'staging'));
        await rename(path, aside);
        await removeTree(aside);
      }
    }
  }
  return faulty;
}

async function isUnpacked(path: string): Promise<boolean> {
  try {
    return (await readLosses(path)) !== undefined && (await lstat(join(path, 'rootfs'))).isDirectory();
  } catch (error) {
    if (error instanceof OciError || systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** All blobs of a store, whoever put them there. */
export async function listBlobs(store: ImageStore): Promise<Digest[]> {
  const digests: Digest[] = [];
  for (const algorithm of ['sha256', 'sha512']) {
    for (const name of await listDirectory(join(store.directory, 'blobs', algorithm))) {
      const digest = `${algorithm}:${name}`;
      if (isDigest(digest)) digests.push(digest);
    }
  }
  return digests.sort();
}

async function moveAway(store: ImageStore, digest: Digest): Promise<void> {
  const aside = await newStagingPath(join(store.directory, 'quarantine'));
  await mkdir(join(store.directory, 'quarantine'), { recursive: true });
  await rename(store.blobPath(digest), `${aside}_${digest.replace(':', '-')}`);
}

async function missingBlobs(
  store: ImageStore,
  damaged: ReadonlySet<Digest>,
): Promise<{ image: string; digest: Digest }[]> {
  const missing: { image: string; digest: Digest }[] = [];
  for (const record of await store.list()) {
    const isBad = async (blob: { digest: Digest; size: number }) =>
      damaged.has(blob.digest) || !(await store.hasBlob(blob));
    if (await isBad(record)) {
      missing.push({ image: record.name, digest: record.digest });
      continue;
    }
    const manifest = parseArtifact(await store.readBlob(record), record.mediaType, record.digest);
    if (manifest.kind === 'index') continue;
    for (const blob of [manifest.config, ...manifest.layers]) {
      if (await isBad(blob)) missing.push({ image: record.name, digest: blob.digest });
    }
  }
  return missing;
}
