import { contentOfFile } from './blob-content.ts';
import { digestOf } from './digest.ts';
import { OciError } from './errors.ts';
import type { ImageStore } from './image-store.ts';
import { type Descriptor, parseArtifact } from './manifest.ts';
import { mediaTypes } from './media-types.ts';
import { formatPlatform, type Platform, platformRank } from './platform.ts';
import { type Pushed, type PushOptions, PushRepository } from './push-repository.ts';
import { formatReference, type ImageReference, type ParseReferenceOptions, parseReference } from './reference.ts';
import type { ImageRecord } from './store-index.ts';

export interface PushImageOptions extends PushOptions, ParseReferenceOptions {
  /** Where to push it. Default: the name that it has in the store. */
  target?: string | undefined;
  /** Push the image for one platform alone. Default: all that the store has under the name, as an index if several. */
  platform?: Platform | undefined;
}

/** Indexes inside indexes that are followed. */
const maximumDepth = 4;

/**
 * Pushes an image or artifact from a store to a registry: blobs first, then the manifests, the name last. Blobs that the
 * registry has are not sent again; those of an image that came from another repository there are mounted.
 *
 * @throws {OciError} `IMAGE_UNKNOWN` or `BLOB_UNKNOWN` if the store lacks something, `PUSH_REFUSED` or `UNAUTHORIZED` if
 *   the registry does not want it, `SERVER_FAILED`, `CONNECTION_FAILED` or `TIMED_OUT`; the signal's reason on an abort.
 */
export async function pushImage(
  store: ImageStore,
  reference: string | ImageReference,
  options: PushImageOptions = {},
): Promise<Pushed> {
  const { signal } = options;
  signal?.throwIfAborted();
  const named = typeof reference === 'string' ? parseReference(reference, options) : reference;
  const target = options.target === undefined ? named : parseReference(options.target, options);
  const records = await chooseRecords(store, named, options.platform);
  const { repository: origin, registry } = named;
  const mountFrom = [...(options.mountFrom ?? [])];
  if (registry === target.registry && origin !== target.repository) mountFrom.push(origin);

  await using repository = new PushRepository(target, { ...options, mountFrom });
  const [only] = records;
  if (only === undefined) throw new RangeError('there is a record');
  if (records.length === 1) {
    const wanted = requireDigest(target, only.digest);
    await pushTree(store, repository, only, wanted ?? only.digest, signal);
    return { reference: formatReference(target), digest: only.digest };
  }
  for (const record of records) await pushTree(store, repository, record, record.digest, signal);
  const { bytes, descriptor } = indexOf(records);
  await repository.putManifest(descriptor, bytes, requireDigest(target, descriptor.digest) ?? descriptor.digest);
  return { reference: formatReference(target), digest: descriptor.digest };
}

async function chooseRecords(
  store: ImageStore,
  named: ImageReference,
  platform: Platform | undefined,
): Promise<ImageRecord[]> {
  const origin = formatReference(named);
  const all = (await store.list()).filter((record) => record.origin === origin);
  const byPlatform = new Map(all.map((record) => [formatPlatform(record.platform), record]));
  const ranked = [...byPlatform.values()]
    .map((record) => ({ record, rank: platform === undefined ? 0 : platformRank(platform, record.platform) }))
    .flatMap(({ record, rank }) => (rank === undefined ? [] : [{ record, rank }]))
    .sort((one, other) => one.rank - other.rank)
    .map(({ record }) => record);
  const chosen = platform === undefined ? ranked : ranked.slice(0, 1);
  if (chosen.length > 0) return chosen;
  const which = platform === undefined ? '' : ` for ${formatPlatform(platform)}`;
  throw new OciError('IMAGE_UNKNOWN', `${origin}${which} is not in ${store.directory}.`, {
    subject: origin,
    remedy: 'Pull, import or tag it first.',
  });
}

/** Pushes what a manifest or index is made of, and then itself. */
async function pushTree(
  store: ImageStore,
  repository: PushRepository,
  root: Descriptor,
  target: string,
  signal: AbortSignal | undefined,
  depth = 0,
): Promise<void> {
  if (depth > maximumDepth) {
    const text = `The index ${root.digest} is nested more than ${maximumDepth} deep.`;
    throw new OciError('LIMIT_EXCEEDED', text, { subject: root.digest });
  }
  const bytes = await store.readBlob(root);
  const parsed = parseArtifact(bytes, root.mediaType, root.digest);
  if (parsed.kind === 'index') {
    for (const child of parsed.manifests) await pushTree(store, repository, child, child.digest, signal, depth + 1);
  } else {
    const blobs = [parsed.config, ...parsed.layers];
    await using _lease = await store.lease([root.digest, ...blobs.map(({ digest }) => digest)], signal);
    for (const blob of blobs) await requireBlob(store, blob);
    await repository.putBlobs(
      blobs.map((descriptor) => ({ descriptor, content: contentOfFile(store.blobPath(descriptor.digest)) })),
    );
  }
  await repository.putManifest({ ...root, mediaType: parsed.mediaType }, bytes, target);
}

async function requireBlob(store: ImageStore, { digest, size }: Descriptor): Promise<void> {
  if (await store.hasBlob({ digest, size })) return;
  throw new OciError('BLOB_UNKNOWN', `The blob ${digest} is not in the store ${store.directory}.`, {
    subject: digest,
    remedy: 'Pull the image again.',
  });
}

/** The images of several platforms under one name. */
function indexOf(records: readonly ImageRecord[]): { bytes: Buffer; descriptor: Descriptor } {
  const manifests = records.map(({ mediaType, digest, size, platform }) => ({ mediaType, digest, size, platform }));
  const mediaType = mediaTypes.ociIndex;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length } };
}

/** The tag to push to; undefined for a target without one, which must then be named by the right digest. */
function requireDigest(target: ImageReference, digest: string): string | undefined {
  if (target.digest === undefined || target.digest === digest) return target.tag;
  const text = `What would be pushed to ${formatReference(target)} has the digest ${digest}.`;
  throw new OciError('INVALID_REFERENCE', text, {
    subject: formatReference(target),
    remedy: 'Name the target by a tag.',
  });
}
