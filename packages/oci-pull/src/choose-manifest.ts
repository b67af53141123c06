import { digestOf, splitDigest } from './digest.ts';
import { OciError } from './errors.ts';
import type { ImageSource, ManifestDocument } from './image-source.ts';
import {
  type Descriptor,
  type ImageIndex,
  type ImageManifest,
  maximumManifestSize,
  parseArtifact,
  parseManifest,
} from './manifest.ts';
import { isIndexType } from './media-types.ts';
import { formatPlatform, type Platform, platformRank } from './platform.ts';

export interface ChosenManifest {
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
}

/** Indexes inside indexes that are looked into: real images have at most one. */
const maximumDepth = 3;

/**
 * Walks from a name's document down to the image manifest for a platform.
 *
 * @throws {OciError} `NO_MATCHING_PLATFORM`, listing the platforms that there are.
 */
export async function chooseManifest(
  source: ImageSource,
  name: string,
  root: ManifestDocument,
  platform: Platform,
  signal: AbortSignal,
): Promise<ChosenManifest> {
  const { bytes, mediaType, digest } = await chooseDocument(source, name, root, platform, signal);
  const manifest = parseManifest(bytes, mediaType, digest);
  if (manifest.kind === 'index') throw new RangeError('an index was chosen from');
  return { bytes, manifest, descriptor: { mediaType: manifest.mediaType, digest, size: bytes.length } };
}

/**
 * Walks down to a manifest of any kind.
 *
 * @param platform If undefined, each index on the way must have one entry alone.
 */
export async function chooseDocument(
  source: ImageSource,
  name: string,
  root: ManifestDocument,
  platform: Platform | undefined,
  signal: AbortSignal,
): Promise<ManifestDocument> {
  let document = root;
  for (let depth = 0; depth <= maximumDepth; depth++) {
    const parsed = parseArtifact(document.bytes, document.mediaType, document.digest);
    if (parsed.kind === 'artifact') return document;
    document = await readVerified(source, chooseEntry(parsed, name, platform), signal);
  }
  throw new OciError('LIMIT_EXCEEDED', `The index of ${name} is nested more than ${maximumDepth} deep.`, {
    subject: name,
  });
}

/** Reads a manifest or config that a verified document named, and verifies it in turn. */
export async function readVerified(
  source: ImageSource,
  descriptor: Descriptor,
  signal: AbortSignal,
  kind: 'manifest' | 'blob' = 'manifest',
): Promise<ManifestDocument> {
  const { mediaType, digest, size } = descriptor;
  if (size > maximumManifestSize) {
    const text = `The document ${digest} has ${size} bytes, over the limit of ${maximumManifestSize}.`;
    throw new OciError('LIMIT_EXCEEDED', text, { subject: digest });
  }
  const bytes = await source.readDocument(descriptor, kind, signal);
  verifyDocument(bytes, descriptor);
  return { bytes, mediaType, digest };
}

/** @throws {OciError} `SIZE_MISMATCH` or `DIGEST_MISMATCH` if the bytes are not what the descriptor says. */
export function verifyDocument(bytes: Uint8Array, { digest, size }: Descriptor): void {
  if (bytes.length !== size) {
    const text = `The document ${digest} should have ${size} bytes but came with ${bytes.length}.`;
    throw new OciError('SIZE_MISMATCH', text, { subject: digest });
  }
  const actual = digestOf(bytes, splitDigest(digest).algorithm);
  if (actual !== digest) {
    const text = `The document ${digest} came with other content, of digest ${actual}.`;
    throw new OciError('DIGEST_MISMATCH', text, { subject: digest });
  }
}

function chooseEntry({ manifests }: ImageIndex, name: string, platform: Platform | undefined): Descriptor {
  if (platform === undefined) return onlyEntry(manifests, name);
  let best: { entry: Descriptor; rank: number } | undefined;
  for (const entry of manifests) {
    const rank = entry.platform === undefined ? undefined : platformRank(platform, entry.platform);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { entry, rank };
  }
  const entry = best?.entry ?? onlyUnlabelled(manifests);
  if (entry !== undefined) return entry;
  throw noMatchingPlatform(name, platform, manifests.map(labelOf));
}

function onlyEntry(manifests: ImageIndex['manifests'], name: string): Descriptor {
  const [only] = manifests;
  if (only !== undefined && manifests.length === 1) return only;
  const list = manifests.slice(0, 20).map(labelOf).join(', ') || 'nothing';
  throw new OciError('NO_MATCHING_PLATFORM', `${name} is not one artifact but an index of ${list}.`, {
    subject: name,
    remedy: 'Say for which platform.',
  });
}

function labelOf({ platform }: ImageIndex['manifests'][number]): string {
  return platform === undefined ? 'unlabelled' : formatPlatform(platform);
}

/** A nested index, or a single manifest without a platform, whose config will tell. */
function onlyUnlabelled(manifests: ImageIndex['manifests']): Descriptor | undefined {
  const unlabelled = manifests.filter((entry) => entry.platform === undefined);
  return (
    unlabelled.find((entry) => isIndexType(entry.mediaType)) ?? (manifests.length === 1 ? unlabelled[0] : undefined)
  );
}

export function noMatchingPlatform(name: string, platform: Platform, offered: readonly string[]): OciError {
  const list = [...new Set(offered)].slice(0, 20).join(', ') || 'nothing';
  return new OciError(
    'NO_MATCHING_PLATFORM',
    `${name} is not made for ${formatPlatform(platform)}, only for ${list}.`,
    {
      subject: name,
      remedy: 'Choose another platform or another image.',
    },
  );
}
