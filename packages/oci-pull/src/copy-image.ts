import { type ChosenManifest, chooseManifest, noMatchingPlatform, readVerified } from './choose-manifest.ts';
import { type ImageConfig, parseImageConfig } from './image-config.ts';
import type { ImageSource } from './image-source.ts';
import type { ImageStore } from './image-store.ts';
import type { Descriptor } from './manifest.ts';
import { formatPlatform, type Platform, platformRank } from './platform.ts';
import type { PullProgress } from './progress.ts';
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
}

const parallelLayers = 3;

/** Copies an image from a source into a store. When anything fails, nothing is recorded and nothing is left half-done. */
export async function copyImage(source: ImageSource, options: CopyOptions): Promise<StoredImage> {
  const { store, name, origin, platform } = options;
  const failure = new AbortController();
  const signal = options.signal === undefined ? failure.signal : AbortSignal.any([options.signal, failure.signal]);
  signal.throwIfAborted();

  const root = await source.resolve(signal);
  const chosen = await chooseManifest(source, origin, root, platform, signal);
  const config = await readConfig(source, chosen, signal);
  const parsedConfig = parseImageConfig(config, chosen.manifest.config.digest);
  requirePlatform(origin, platform, parsedConfig);

  const record = { ...chosen.descriptor, name, origin, resolved: root.digest, platform: platformOf(parsedConfig) };
  const image = describeImage(record, chosen.manifest, parsedConfig);
  options.onProgress?.({
    type: 'resolved',
    digest: image.digest,
    platform: image.platform,
    total: image.sizes.layers,
  });

  await copyLayers(source, distinct(chosen.manifest.layers), options, signal, failure);
  // Config and manifest come last: a manifest in the store has its layers there as well.
  await writeDocument(store, chosen.manifest.config, config, signal);
  await writeDocument(store, chosen.descriptor, chosen.bytes, signal);
  await store.record(record, signal);
  return image;
}

async function copyLayers(
  source: ImageSource,
  layers: readonly Descriptor[],
  options: CopyOptions,
  signal: AbortSignal,
  failure: AbortController,
): Promise<void> {
  for (const { digest, size: total } of layers) {
    options.onProgress?.({ type: 'blob', digest, bytes: 0, total, state: 'waiting' });
  }
  const queue = [...layers];
  const work = async () => {
    for (let layer = queue.shift(); layer !== undefined; layer = queue.shift()) {
      try {
        await copyLayer(source, layer, options, signal);
      } catch (error) {
        // The first failure is the one to report; it ends the other downloads.
        failure.abort(error);
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: parallelLayers }, work));
  signal.throwIfAborted();
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

async function copyLayer(
  source: ImageSource,
  layer: Descriptor,
  { store, onProgress }: CopyOptions,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const { digest, size: total } = layer;
  const report = (state: 'downloading' | 'exists' | 'done', bytes: number) =>
    onProgress?.({ type: 'blob', digest, bytes, total, state });
  if (await store.hasBlob(layer)) {
    report('exists', total);
    return;
  }
  report('downloading', 0);
  await store.writeBlob(layer, source.openBlob(layer, signal), {
    signal,
    onBytes: (bytes) => report('downloading', bytes),
  });
  report('done', total);
}

async function readConfig(source: ImageSource, { manifest }: ChosenManifest, signal: AbortSignal): Promise<Uint8Array> {
  return (await readVerified(source, manifest.config, signal, 'blob')).bytes;
}

async function writeDocument(
  store: ImageStore,
  descriptor: Descriptor,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  if (!(await store.hasBlob(descriptor))) await store.writeBlob(descriptor, [bytes], { signal });
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
