import { ByteRate } from './byte-rate.ts';
import { chooseDocument } from './choose-manifest.ts';
import type { Digest } from './digest.ts';
import { OciError } from './errors.ts';
import type { ImageSource } from './image-source.ts';
import type { ImageStore } from './image-store.ts';
import { inParallel } from './in-parallel.ts';
import { type ArtifactManifest, type Descriptor, parseArtifact } from './manifest.ts';
import { formatPlatform, type Platform } from './platform.ts';
import type { PullProgress } from './progress.ts';
import { formatReference, parseReference } from './reference.ts';
import { fromSources, type SourceOptions } from './source-chain.ts';
import type { ImageRecord } from './store-index.ts';

export interface PullArtifactOptions extends SourceOptions {
  store: ImageStore;
  /** Which one, if the name points to an index of several. Default: there must be one alone. */
  platform?: Platform | undefined;
  onProgress?: ((progress: PullProgress) => void) | undefined;
}

/** An artifact whose manifest, config and layers are all in the store: `store.blobPath(layer.digest)` is its file. */
export interface StoredArtifact extends Omit<ArtifactManifest, 'kind'> {
  /** Full spelling of where it came from. */
  readonly reference: string;
  readonly digest: Digest;
}

/** What artifacts are recorded as that are for no platform: no image for a real one is ever found under it. */
const noPlatform: Platform = { os: 'unknown', architecture: 'unknown' };
const parallelBlobs = 3;

/**
 * Brings anything that a registry keeps as manifest and blobs into a store, each verified by its digest. Config and
 * layers may be of any media type. The artifact is recorded, so that garbage collection keeps it.
 *
 * @throws {OciError} As `pullImage` does.
 */
export async function pullArtifact(reference: string, options: PullArtifactOptions): Promise<StoredArtifact> {
  const { store, platform = noPlatform, signal } = options;
  signal?.throwIfAborted();
  const parsed = parseReference(reference, options);
  const origin = formatReference(parsed);
  const record = await findRecord(store, origin, platform);
  const stored = record === undefined ? undefined : await load(store, record);
  const inStore = record === undefined || stored === undefined ? undefined : { ...record, value: stored };
  return await fromSources(parsed, options, inStore, store.directory, async (source) => {
    return await copyArtifact(source, reference, origin, options);
  });
}

async function copyArtifact(
  source: ImageSource,
  name: string,
  origin: string,
  { store, platform, signal: outer, onProgress }: PullArtifactOptions,
): Promise<StoredArtifact> {
  const signal = outer ?? new AbortController().signal;
  const root = await source.resolve(signal);
  const chosen = await chooseDocument(source, origin, root, platform, signal);
  const artifact = parseArtifact(chosen.bytes, chosen.mediaType, chosen.digest);
  if (artifact.kind === 'index') throw new RangeError('an index was chosen from');
  const { digest, bytes } = chosen;
  const descriptor = { mediaType: artifact.mediaType, digest, size: bytes.length };
  const blobs = distinct([artifact.config, ...artifact.layers]);
  await using _lease = await store.lease([digest, ...blobs.map((blob) => blob.digest)], signal);

  const total = blobs.reduce((sum, { size }) => sum + size, 0);
  onProgress?.({ type: 'resolved', digest, platform: platform ?? noPlatform, total });
  await inParallel(blobs, parallelBlobs, signal, async (blob, either) => {
    const rate = new ByteRate();
    const report = (state: 'downloading' | 'exists' | 'done', bytes: number) => {
      const { digest: name, size } = blob;
      const speed = state === 'exists' ? 0 : rate.of(bytes);
      onProgress?.({ type: 'blob', digest: name, bytes, total: size, rate: speed, state });
    };
    if (await store.hasBlob(blob)) return report('exists', blob.size);
    const open = (offset: number) => source.openBlob(blob, { offset, signal: either });
    const arrive = async () => {
      let arrived = 0;
      for await (const chunk of store.receiveBlob(blob, open, { signal: either })) {
        arrived += chunk.length;
        report('downloading', arrived);
      }
    };
    for (let isThere = false; !isThere; ) {
      try {
        await arrive();
        isThere = true;
      } catch (error) {
        const { digest: name } = blob;
        const isWrong = error instanceof OciError && ['DIGEST_MISMATCH', 'SIZE_MISMATCH'].includes(error.reason);
        // Each turn leaves fewer mirrors.
        if (!isWrong || source.distrust?.(name) !== true) throw error;
        onProgress?.({ type: 'fault', digest: name, place: 'mirror', error });
      }
    }
    report('done', blob.size);
  });
  if (!(await store.hasBlob(descriptor))) await store.writeBlob(descriptor, [bytes], { signal });
  const record = { ...descriptor, name, origin, resolved: root.digest, platform: platform ?? noPlatform };
  await store.record({ ...record, source: source.kind }, signal);
  return describe(artifact, origin, digest);
}

async function findRecord(store: ImageStore, origin: string, platform: Platform): Promise<ImageRecord | undefined> {
  const wanted = formatPlatform(platform);
  return (await store.list()).find((record) => record.origin === origin && formatPlatform(record.platform) === wanted);
}

/** Reads what a record names; undefined if any blob of it is missing. */
async function load(store: ImageStore, record: ImageRecord): Promise<StoredArtifact | undefined> {
  if (!(await store.hasBlob(record))) return undefined;
  const artifact = parseArtifact(await store.readBlob(record), record.mediaType, record.digest);
  if (artifact.kind === 'index') return undefined;
  const blobs = await Promise.all([artifact.config, ...artifact.layers].map((blob) => store.hasBlob(blob)));
  return blobs.includes(false) ? undefined : describe(artifact, record.origin, record.digest);
}

function describe({ kind: _, ...artifact }: ArtifactManifest, reference: string, digest: Digest): StoredArtifact {
  return { ...artifact, reference, digest };
}

function distinct(descriptors: readonly Descriptor[]): Descriptor[] {
  return [...new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor])).values()];
}
