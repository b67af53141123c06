import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileLock } from '@zlayer/host';
import {
  ImageStore,
  inParallel,
  type PullArtifactOptions,
  type PullProgress,
  pullArtifact,
  type StoredArtifact,
} from '@zlayer/oci-pull';
import { BUNDLE_FILES, type MacBundle, type MacBundleManifest, openBundle } from '../mac-bundle.ts';
import { ChunkProgress } from './chunk-progress.ts';
import { ChunkWorkers } from './chunk-workers.ts';
import { checkDiskLabel, parseTartConfig, type TartConfig } from './tart-config.ts';
import { type TartManifest, tartManifest } from './tart-manifest.ts';

/** A configuration that is longer has nothing of Tart's. */
const LARGEST_LABELS = 1024 * 1024;

export interface PullTartImageOptions extends Omit<PullArtifactOptions, 'store' | 'platform' | 'onProgress'> {
  /** Where images are kept: what is pulled in `store`, what is made of it in `bundles`. */
  directory: string;
  onProgress?: ((progress: PullProgress | DiskProgress) => void) | undefined;
}

/** How much of the disk is there. */
export interface DiskProgress {
  type: 'disk';
  bytes: number;
  total: number;
}

/**
 * Pulls a Tart image as it is, and makes a bundle of it. Its pieces arrive in parallel, and none is fetched that an image which
 * is already there has as well; the disk keeps its holes. What a crash has left is continued; a bundle is seen only when it is whole, and
 * safe from a power cut.
 *
 * @throws ZlayerError `PULL_FAILED` or `UNSUPPORTED` for what is no image of Tart's or is damaged; OciError as `pullArtifact` does.
 */
export async function pullTartImage(reference: string, options: PullTartImageOptions): Promise<MacBundle> {
  const { directory, onProgress, signal, ...sources } = options;
  const store = await ImageStore.open(join(directory, 'store'));
  const artifact = await pullArtifact(reference, { ...sources, store, signal, onProgress });
  const bundles = join(directory, 'bundles');
  const name = artifact.digest.replace(':', '-');
  const target = join(bundles, name);
  await mkdir(bundles, { recursive: true });
  // Of several who pull the same image one makes its bundle, and the others have it then.
  using _lock = await FileLock.acquire(`${target}.lock`, { signal });
  const known = await openBundle(target).catch(() => undefined);
  if (known !== undefined) return known;
  const manifest = tartManifest(artifact);
  if (artifact.config.size <= LARGEST_LABELS)
    checkDiskLabel(await readFile(store.blobPath(artifact.config.digest)), reference);
  const config = parseTartConfig(await readFile(store.blobPath(manifest.config.digest)), reference);
  const staged = `${target}.partial`;
  await mkdir(staged, { recursive: true });
  await writeDisk(staged, manifest, store, { signal, onProgress });
  await writeRest(staged, artifact, { manifest, config, store });
  // One that is there is damaged.
  await rm(target, { recursive: true, force: true });
  await rename(staged, target);
  await syncFolder(bundles);
  return await openBundle(target);
}

async function writeDisk(
  folder: string,
  { chunks, diskBytes }: TartManifest,
  store: ImageStore,
  { signal, onProgress }: Pick<PullTartImageOptions, 'signal' | 'onProgress'>,
): Promise<void> {
  const path = join(folder, BUNDLE_FILES.disk);
  await using progress = await ChunkProgress.open(join(folder, 'progress'));
  await using disk = await open(path, 'a');
  if ((await disk.stat()).size !== diskBytes) await disk.truncate(diskBytes);
  let bytes = 0;
  const tell = (more: number): void => {
    bytes += more;
    onProgress?.({ type: 'disk', bytes, total: diskBytes });
  };
  await using workers = new ChunkWorkers();
  await inParallel(chunks, workers.count, signal, async (chunk, either) => {
    const { offset, rawDigest, rawSize } = chunk;
    if (progress.has(offset, rawDigest)) return tell(rawSize);
    await workers.write({ blob: store.blobPath(chunk.digest), disk: path, chunk }, { signal: either, onWrite: tell });
    await progress.add(offset, rawDigest);
  });
  await disk.sync();
}

async function writeRest(
  folder: string,
  { reference, digest }: StoredArtifact,
  { manifest, config, store }: { manifest: TartManifest; config: TartConfig; store: ImageStore },
): Promise<void> {
  const described: MacBundleManifest = {
    version: 1,
    source: { reference, digest },
    os: config.os,
    diskBytes: manifest.diskBytes,
    cpus: { least: config.cpuCountMin, wanted: config.cpuCount },
    memoryBytes: { least: config.memorySizeMin, wanted: config.memorySize },
    display: config.display,
  };
  const write = (name: string, data: Uint8Array | string): Promise<void> =>
    writeFile(join(folder, name), data, { flush: true });
  await write(BUNDLE_FILES.auxiliaryStorage, await readFile(store.blobPath(manifest.nvram.digest)));
  if (config.hardwareModel !== undefined) {
    await write(BUNDLE_FILES.hardwareModel, Buffer.from(config.hardwareModel, 'base64'));
  }
  await write(BUNDLE_FILES.manifest, JSON.stringify(described, undefined, 2));
  await rm(join(folder, 'progress'));
  await syncFolder(folder);
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path);
  await folder.sync();
}
