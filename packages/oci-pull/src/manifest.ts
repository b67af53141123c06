import type { Digest } from './digest.ts';
import { OciError } from './errors.ts';
import { JsonDocument } from './json-document.ts';
import {
  isConfigType,
  isForeignLayerType,
  isIndexType,
  isLayerType,
  isManifestType,
  mediaTypes,
} from './media-types.ts';
import type { Platform } from './platform.ts';

/** Names some content: what it is, which bytes exactly, and how many. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

export interface IndexEntry extends Descriptor {
  readonly platform?: Platform;
}

export interface ImageIndex {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly IndexEntry[];
}

export interface ImageManifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Compressed layers, the lowest first. */
  readonly layers: readonly Descriptor[];
}

/** A descriptor with the notes that its writer gave it, such as `org.opencontainers.image.title`. */
export interface ArtifactLayer extends Descriptor {
  readonly annotations: Readonly<Record<string, string>>;
}

/** A manifest of anything: its config and layers may be of any media type. */
export interface ArtifactManifest {
  readonly kind: 'artifact';
  readonly mediaType: string;
  /** What the artifact is; an older one says it by the media type of its config. */
  readonly artifactType: string;
  readonly config: Descriptor;
  readonly layers: readonly ArtifactLayer[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** Longest manifest, index or config that is read into memory: registries refuse longer ones as well. */
export const maximumManifestSize = 4 * 1024 * 1024;
/** More layers than any builder makes; each one costs a request and a pass over the root file system. */
const maximumLayers = 1024;

/**
 * Parses an image manifest or index, OCI or Docker.
 *
 * @param declaredType The media type that the registry or the descriptor gave; the document must not contradict it.
 * @throws {OciError} `INVALID_MANIFEST`, or `UNSUPPORTED_MEDIA_TYPE` for anything that is no runnable image.
 */
export function parseManifest(bytes: Uint8Array, declaredType: string, digest: Digest): ImageManifest | ImageIndex {
  const { document, mediaType } = readManifest(bytes, declaredType, digest);
  if (isIndexType(mediaType)) return parseIndex(document, mediaType);
  const config = parseDescriptor(document.document('config'));
  const layers = parseLayers(document, digest).map(parseDescriptor);
  if (!isConfigType(config.mediaType)) {
    throw unsupported(digest, `its config is of type ${config.mediaType}`, 'Name a container image, not an artifact.');
  }
  for (const { digest: layer, mediaType: type } of layers) {
    if (isForeignLayerType(type)) {
      const remedy = 'Such layers (of Windows, mostly) are in no registry; ask for another image.';
      throw unsupported(digest, `layer ${layer} is foreign, of type ${type}`, remedy);
    }
    if (!isLayerType(type)) {
      throw unsupported(digest, `layer ${layer} is of type ${type}`, 'Ask for an ordinary image.');
    }
  }
  return { kind: 'manifest', mediaType, config, layers };
}

/**
 * Parses the manifest of an artifact, or an index; images are artifacts too.
 *
 * @throws {OciError} `INVALID_MANIFEST`, or `UNSUPPORTED_MEDIA_TYPE` if it is no manifest of today.
 */
export function parseArtifact(bytes: Uint8Array, declaredType: string, digest: Digest): ArtifactManifest | ImageIndex {
  const { document, mediaType } = readManifest(bytes, declaredType, digest);
  if (isIndexType(mediaType)) return parseIndex(document, mediaType);
  const config = parseDescriptor(document.document('config'));
  return {
    kind: 'artifact',
    mediaType,
    artifactType: document.optionalString('artifactType') || config.mediaType,
    config,
    layers: parseLayers(document, digest).map((layer) => ({
      ...parseDescriptor(layer),
      annotations: layer.stringMap('annotations'),
    })),
    annotations: document.stringMap('annotations'),
  };
}

function readManifest(
  bytes: Uint8Array,
  declaredType: string,
  digest: Digest,
): { document: JsonDocument; mediaType: string } {
  const document = JsonDocument.parse(bytes, `the manifest ${digest}`, 'INVALID_MANIFEST');
  const mediaType = manifestType(document, declaredType, digest);
  if (document.has(isIndexType(mediaType) ? 'layers' : 'manifests')) throw ambiguous(digest);
  return { document, mediaType };
}

function parseIndex(document: JsonDocument, mediaType: string): ImageIndex {
  return { kind: 'index', mediaType, manifests: document.documents('manifests').map(parseIndexEntry) };
}

function parseLayers(document: JsonDocument, digest: Digest): JsonDocument[] {
  const layers = document.documents('layers');
  if (layers.length > maximumLayers) {
    const text = `The manifest ${digest} has ${layers.length} layers, over ${maximumLayers}.`;
    throw new OciError('LIMIT_EXCEEDED', text, { subject: digest });
  }
  return layers;
}

function parseDescriptor(document: JsonDocument): Descriptor {
  return { mediaType: document.string('mediaType'), digest: document.digest('digest'), size: document.count('size') };
}

export function parseIndexEntry(document: JsonDocument): IndexEntry {
  const platform = document.optionalDocument('platform');
  if (platform === undefined) return parseDescriptor(document);
  const variant = platform.optionalString('variant');
  return {
    ...parseDescriptor(document),
    platform: {
      os: platform.string('os'),
      architecture: platform.string('architecture'),
      ...(variant ? { variant } : {}),
    },
  };
}

/** The document's own type and the declared one must agree, so that no two readers see different images. */
function manifestType(document: JsonDocument, declaredType: string, digest: Digest): string {
  const ownType = document.optionalString('mediaType') || undefined;
  const declared = (declaredType.split(';', 1)[0] ?? '').trim().toLowerCase();
  const known = [ownType, declared].filter((type) => type !== undefined && isKnown(type));
  if (ownType !== undefined && isKnown(declared) && ownType !== declared) {
    throw new OciError('INVALID_MANIFEST', `The manifest ${digest} says it is ${ownType} but came as ${declared}.`);
  }
  const mediaType = known[0];
  if (mediaType === undefined) {
    const old = document.has('fsLayers') ? ' (Docker schema 1, which registries gave up in 2017)' : '';
    const type = ownType ?? (declared === '' ? 'no type at all' : declared);
    throw unsupported(digest, `it is of type ${type}${old}`, `Push the image again as OCI.`);
  }
  return mediaType;
}

function isKnown(mediaType: string): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType);
}

function ambiguous(digest: Digest): OciError {
  return new OciError('INVALID_MANIFEST', `The manifest ${digest} is both an index and an image.`, {
    subject: digest,
  });
}

function unsupported(digest: Digest, why: string, remedy: string): OciError {
  return new OciError('UNSUPPORTED_MEDIA_TYPE', `The manifest ${digest} cannot be used: ${why}.`, {
    subject: digest,
    remedy,
  });
}

/** What to ask a registry for, the preferred types first. */
export const acceptedManifests = [
  mediaTypes.ociIndex,
  mediaTypes.dockerIndex,
  mediaTypes.ociManifest,
  mediaTypes.dockerManifest,
].join(', ');
