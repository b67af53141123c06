import type { Digest } from './digest.ts';
import { OciError } from './errors.ts';
import { type ImageConfig, parseImageConfig } from './image-config.ts';
import type { ImageSourceKind } from './image-source.ts';
import type { ImageStore } from './image-store.ts';
import { type Descriptor, type ImageManifest, parseManifest } from './manifest.ts';
import { type Platform, platformRank } from './platform.ts';
import { formatReference, type ImageReference, parseReference } from './reference.ts';
import type { ImageRecord } from './store-index.ts';

/** An image whose manifest, config and layers are all in the store. */
export interface StoredImage {
  /** The name exactly as it was asked for. */
  readonly name: string;
  /** Full spelling of where it came from. */
  readonly reference: string;
  /** Digest of the manifest for the platform: the identity of the image's content. */
  readonly digest: Digest;
  /** Digest that the origin's name pointed to: that of an index, or the same as `digest`. */
  readonly resolved: Digest;
  readonly platform: Platform;
  /** `local` for what was built, loaded or tagged here. */
  readonly source: ImageSourceKind;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  /** Compressed layers, the lowest first, each with the digest of its uncompressed archive. */
  readonly layers: readonly StoredLayer[];
  readonly sizes: {
    /** Compressed bytes of all distinct layers. */
    readonly layers: number;
    /** Bytes of all distinct blobs: layers, config and manifest. */
    readonly total: number;
  };
}

export interface StoredLayer extends Descriptor {
  readonly diffId: Digest;
}

/**
 * Finds a complete image in a store by its name, in any spelling of the same registry, repository and tag.
 *
 * @returns undefined if there is none for this platform, or if one of its blobs is missing.
 */
export async function findImage(
  store: ImageStore,
  reference: string | ImageReference,
  platform: Platform,
): Promise<StoredImage | undefined> {
  const wanted = typeof reference === 'string' ? parseReference(reference) : reference;
  const origin = formatReference(wanted);
  let best: { record: ImageRecord; rank: number } | undefined;
  for (const record of await store.list()) {
    const rank = record.origin === origin ? platformRank(platform, record.platform) : undefined;
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { record, rank };
  }
  if (best === undefined) return undefined;
  const name = typeof reference === 'string' ? reference : origin;
  return loadImage(store, { ...best.record, name });
}

/** Reads what a record names; undefined if any blob of it is missing. */
export async function loadImage(store: ImageStore, record: ImageRecord): Promise<StoredImage | undefined> {
  if (!(await store.hasBlob(record))) return undefined;
  const manifest = parseManifest(await store.readBlob(record), record.mediaType, record.digest);
  if (manifest.kind === 'index') return undefined;
  const blobs = await Promise.all([manifest.config, ...manifest.layers].map((blob) => store.hasBlob(blob)));
  if (blobs.includes(false)) return undefined;
  const config = parseImageConfig(await store.readBlob(manifest.config), manifest.config.digest);
  return describeImage(record, manifest, config);
}

/**
 * Puts together what is known of an image and checks that its parts fit each other.
 *
 * @throws {OciError} `INVALID_CONFIG` if the config has another number of layers than the manifest.
 */
export function describeImage(record: ImageRecord, manifest: ImageManifest, config: ImageConfig): StoredImage {
  const { name, origin: reference, digest, resolved, platform, source } = record;
  if (config.diffIds.length !== manifest.layers.length) {
    const counts = `${config.diffIds.length} layers, the manifest ${manifest.layers.length}`;
    throw new OciError('INVALID_CONFIG', `The config of ${reference} has ${counts}.`, {
      subject: reference,
    });
  }
  const layers = manifest.layers.map((layer, index) => {
    const diffId = config.diffIds[index];
    if (diffId === undefined) throw new RangeError('layers were counted above');
    return { ...layer, diffId };
  });
  const sizes = { layers: sumOfDistinct(layers), total: sumOfDistinct([record, manifest.config, ...layers]) };
  return { name, reference, digest, resolved, platform, source, manifest, config, layers, sizes };
}

function sumOfDistinct(descriptors: readonly Descriptor[]): number {
  const sizes = new Map(descriptors.map(({ digest, size }) => [digest, size]));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}
