import { ArrivingBlob } from './arriving-blob.ts';
import type { BlobTier } from './blob-tier.ts';
import { ByteRate } from './byte-rate.ts';
import { type ChosenManifest, chooseManifest, noMatchingPlatform, readVerified } from './choose-manifest.ts';
import type { Digest } from './digest.ts';
import { OciError } from './errors.ts';
import type { OpenLayer } from './flatten-layers.ts';
import { type ImageConfig, parseImageConfig } from './image-config.ts';
import type { ImageSource } from './image-source.ts';
import type { ImageStore } from './image-store.ts';
import { inParallel } from './in-parallel.ts';
import type { Descriptor } from './manifest.ts';
import { formatPlatform, type Platform, platformRank } from './platform.ts';
import type { PullProgress } from './progress.ts';
import type { BlobOrigin, ReceiveOptions } from './receive-blob.ts';
import { describeImage, type StoredImage } from './stored-image.ts';

export interface CopyOptions {
  store: ImageStore;
  /** The name to record, exactly. */
  name: string;
  /** Full spelling of the reference that it came from. */
  origin: string;
  platform: Platform;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: PullProgress) => void) | undefined;
  /** Asked for layers before the source is. Default: none. */
  tiers?: readonly BlobTier[] | undefined;
  /** Reads the layers while they arrive. The image is recorded when this has succeeded. */
  readLayers?: ReadLayers | undefined;
}

/** Reads each layer it opens to its end, or none at all; when it fails, nothing is recorded. */
export type ReadLayers = (image: StoredImage, open: OpenLayer, signal: AbortSignal) => Promise<void>;

const parallelLayers = 3;

/** How often all is begun anew when bytes were wrong that somebody had read already. */
const maximumAttempts = 8;

/**
 * Copies an image from a source into a store. When anything fails, nothing is recorded and nothing is left half-done.
 * Bytes that were wrong are had from another place, if they came from a tier, a mirror or an earlier pull.
 */
export async function copyImage(source: ImageSource, options: CopyOptions): Promise<StoredImage> {
  let tiers = options.tiers ?? [];
  for (let attempt = 1; ; attempt++) {
    const doubts: Doubts = new Map();
    try {
      return await copyOnce(source, { ...options, tiers }, doubts);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (attempt === maximumAttempts || !isContentFault(error)) throw error;
      const replaceable = [...doubts].filter(([digest, from]) => {
        const isMirrored = source.distrust?.(digest) === true;
        const place = typeof from === 'object' ? 'tier' : isMirrored ? 'mirror' : undefined;
        if (place !== undefined) options.onProgress?.({ type: 'fault', digest, place, error });
        return place !== undefined || from === 'earlier pull';
      });
      if (replaceable.length === 0) throw error;
      for (const [digest] of replaceable) await options.store.dropPartialBlob(digest, options.signal);
      tiers = tiers.filter((tier) => !replaceable.some(([, from]) => from === tier));
    }
  }
}

/** Where the bytes of blobs come from that are not verified yet, though they may have been read. */
type Doubts = Map<Digest, BlobTier | 'earlier pull' | 'source'>;

/** Errors that wrong bytes can lead to. */
function isContentFault(error: unknown): boolean {
  const reasons = ['DIGEST_MISMATCH', 'SIZE_MISMATCH', 'CORRUPT_LAYER', 'UNSAFE_PATH', 'LIMIT_EXCEEDED'];
  return error instanceof OciError && reasons.includes(error.reason);
}

async function copyOnce(source: ImageSource, options: CopyOptions, doubts: Doubts): Promise<StoredImage> {
  const { store, name, origin, platform } = options;
  const { signal = new AbortController().signal } = options;
  signal.throwIfAborted();

  const root = await source.resolve(signal);
  const chosen = await chooseManifest(source, origin, root, platform, signal);
  const config = await readConfig(source, chosen, signal);
  const parsedConfig = parseImageConfig(config, chosen.manifest.config.digest);
  requirePlatform(origin, platform, parsedConfig);

  const record = {
    ...chosen.descriptor,
    name,
    origin,
    resolved: root.digest,
    platform: platformOf(parsedConfig),
    source: source.kind,
  };
  const image = describeImage(record, chosen.manifest, parsedConfig);
  options.onProgress?.({
    type: 'resolved',
    digest: image.digest,
    platform: image.platform,
    total: image.sizes.layers,
  });

  const layers = distinct(chosen.manifest.layers).map((layer) => new ArrivingLayer(layer, store));
  const digests = [image.digest, image.manifest.config.digest, ...layers.map(digestOf)];
  await using _lease = await store.lease(digests, signal);
  // What nobody can be asked for again is synced at once.
  const paths = digests.map((digest) => store.blobPath(digest));
  await using unsynced = source.kind === 'registry' ? await store.writeBehind(paths, signal) : undefined;
  const isUnsynced = unsynced?.mustSync === false;
  const work = [
    (both: AbortSignal) => copyLayers(source, layers, { ...options, isUnsynced }, doubts, both),
    async (both: AbortSignal) => await options.readLayers?.(image, opener(layers, store), both),
  ];
  await inParallel(work, work.length, signal, (run, both) => run(both));
  // Config and manifest come last: a manifest in the store has its layers there as well.
  await writeDocument(store, chosen.manifest.config, config, { signal, isUnsynced });
  await writeDocument(store, chosen.descriptor, chosen.bytes, { signal, isUnsynced });
  await store.record(record, signal);
  return image;
}

/** A layer and what there is of it so far. */
class ArrivingLayer {
  readonly descriptor: Descriptor;
  readonly blob: ArrivingBlob;

  constructor(descriptor: Descriptor, store: ImageStore) {
    this.descriptor = descriptor;
    this.blob = new ArrivingBlob(store.blobPaths(descriptor.digest));
  }
}

function digestOf({ descriptor }: ArrivingLayer): Digest {
  return descriptor.digest;
}

function opener(layers: readonly ArrivingLayer[], store: ImageStore): OpenLayer {
  const arriving = new Map(layers.map(({ descriptor, blob }) => [descriptor.digest, blob]));
  return ({ digest }, signal) => arriving.get(digest)?.read(signal) ?? store.openBlob(digest);
}

async function copyLayers(
  source: ImageSource,
  layers: readonly ArrivingLayer[],
  options: CopyOptions & ReceiveOptions,
  doubts: Doubts,
  signal: AbortSignal,
): Promise<void> {
  for (const { descriptor } of layers) {
    const { digest, size: total } = descriptor;
    options.onProgress?.({ type: 'blob', digest, bytes: 0, total, rate: 0, state: 'waiting' });
  }
  try {
    await inParallel(layers, parallelLayers, signal, (layer, either) =>
      copyLayer(source, layer, options, doubts, either),
    );
  } catch (error) {
    for (const { blob } of layers) blob.fail(error);
    throw error;
  }
}

async function copyLayer(
  source: ImageSource,
  { descriptor, blob }: ArrivingLayer,
  { store, tiers = [], onProgress, isUnsynced }: CopyOptions & ReceiveOptions,
  doubts: Doubts,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const { digest, size: total } = descriptor;
  const rate = new ByteRate();
  const report = (state: 'downloading' | 'exists' | 'done', bytes: number) =>
    onProgress?.({ type: 'blob', digest, bytes, total, rate: state === 'exists' ? 0 : rate.of(bytes), state });
  if (await store.hasBlob(descriptor)) {
    if (isUnsynced !== true) await store.syncBlob(digest);
    blob.complete(total);
    report('exists', total);
    return;
  }
  const file = source.verifiedFile?.(descriptor);
  if (file !== undefined) {
    await store.adoptBlob(digest, file);
    blob.complete(total);
    report('done', total);
    return;
  }
  report('downloading', 0);
  const arrive = async (open: BlobOrigin) => {
    let bytes = 0;
    for await (const chunk of store.receiveBlob(descriptor, open, { signal, isUnsynced })) {
      bytes += chunk.length;
      blob.arrived(bytes);
      report('downloading', bytes);
    }
  };
  let isContinued = false;
  const origin: BlobOrigin = async (offset) => {
    const opened = await source.openBlob(descriptor, { offset, signal });
    isContinued = opened.start > 0;
    doubts.set(digest, isContinued ? 'earlier pull' : 'source');
    return opened;
  };
  const onFault = (error: unknown) => onProgress?.({ type: 'fault', digest, place: 'tier', error });
  if (!(await arriveFromTier(tiers, descriptor, blob, arrive, doubts, onFault, signal))) {
    try {
      await arrive(origin);
    } catch (error) {
      // What an earlier pull left may have been wrong; it is gone now.
      if (!isContinued || !isMismatch(error) || blob.wasRead) throw error;
      await arrive(origin);
    }
    for (const tier of tiers) await offer(tier, descriptor, store, onFault, signal);
  }
  doubts.delete(digest);
  blob.complete(total);
  report('done', total);
}

/** A tier only saves work: whatever goes wrong with it, the origin is asked. */
async function arriveFromTier(
  tiers: readonly BlobTier[],
  descriptor: Descriptor,
  blob: ArrivingBlob,
  arrive: (open: BlobOrigin) => Promise<void>,
  doubts: Doubts,
  onFault: (error: unknown) => void,
  signal: AbortSignal,
): Promise<boolean> {
  for (const tier of tiers) {
    try {
      if (!(await tier.has(descriptor, { signal }))) continue;
      doubts.set(descriptor.digest, tier);
      await arrive((offset) => tier.open(descriptor, { offset, signal }));
      return true;
    } catch (error) {
      signal.throwIfAborted();
      // Whoever reads along has been given bytes that were wrong, and nobody can take them back.
      if (isMismatch(error) && blob.wasRead) throw error;
      if (error instanceof OciError && error.reason === 'STORE_FAILED') throw error;
      onFault(error);
    }
  }
  return false;
}

async function offer(
  tier: BlobTier,
  descriptor: Descriptor,
  store: ImageStore,
  onFault: (error: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    await tier.put?.(descriptor, store.openBlob(descriptor.digest), { signal });
  } catch (error) {
    signal.throwIfAborted();
    onFault(error);
  }
}

function isMismatch(error: unknown): boolean {
  return error instanceof OciError && (error.reason === 'DIGEST_MISMATCH' || error.reason === 'SIZE_MISMATCH');
}

async function readConfig(source: ImageSource, { manifest }: ChosenManifest, signal: AbortSignal): Promise<Uint8Array> {
  return (await readVerified(source, manifest.config, signal, 'blob')).bytes;
}

async function writeDocument(
  store: ImageStore,
  descriptor: Descriptor,
  bytes: Uint8Array,
  options: ReceiveOptions,
): Promise<void> {
  if (!(await store.hasBlob(descriptor))) await store.writeBlob(descriptor, [bytes], options);
  else if (options.isUnsynced !== true) await store.syncBlob(descriptor.digest);
}

/** The config has the last word: an index, or nobody, may have said something else. */
function requirePlatform(name: string, wanted: Platform, config: ImageConfig): void {
  if (platformRank(wanted, config) === undefined) throw noMatchingPlatform(name, wanted, [formatPlatform(config)]);
}

function platformOf({ os, architecture, variant }: ImageConfig): Platform {
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

function distinct(descriptors: readonly Descriptor[]): Descriptor[] {
  return [...new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor])).values()];
}
