import { type ArtifactLayer, type Digest, isDigest, type StoredArtifact } from '@zlayer/oci-pull';
import { ZlayerError } from '@zlayer/runtime-core';

/** https://github.com/cirruslabs/tart: Sources/tart/OCI/Manifest.swift */
export const TART = {
  config: 'application/vnd.cirruslabs.tart.config.v1',
  disk: 'application/vnd.cirruslabs.tart.disk.v2',
  nvram: 'application/vnd.cirruslabs.tart.nvram.v1',
  rawSize: 'org.cirruslabs.tart.uncompressed-size',
  rawDigest: 'org.cirruslabs.tart.uncompressed-content-digest',
  diskSize: 'org.cirruslabs.tart.uncompressed-disk-size',
} as const;

const PREFIX = 'application/vnd.cirruslabs.tart.';
/** Tart cuts disks into pieces of half a gigabyte. */
const LARGEST_CHUNK = 512 * 1024 ** 2;
/** More than a Mac has, and few enough digits for a number. */
const LARGEST_DISK = 16 * 1024 ** 4;
/** What is read into memory at once. */
const LARGEST_CONFIG = 64 * 1024;
const LARGEST_NVRAM = 256 * 1024 ** 2;

/** A piece of a disk: compressed, as a blob of the image. */
export interface TartChunk {
  readonly digest: Digest;
  readonly size: number;
  /** Where it lies on the disk. */
  readonly offset: number;
  readonly rawSize: number;
  readonly rawDigest: Digest;
}

/** What a Tart image is made of. */
export interface TartManifest {
  readonly config: ArtifactLayer;
  readonly nvram: ArtifactLayer;
  readonly chunks: readonly TartChunk[];
  readonly diskBytes: number;
}

/**
 * Reads what a Tart image's manifest says of it.
 *
 * @throws ZlayerError `PULL_FAILED` for one that contradicts itself or is no Tart image, `UNSUPPORTED` for a form of disk that is not
 *   `disk.v2`.
 */
export function tartManifest({
  layers,
  annotations,
  reference,
}: Pick<StoredArtifact, 'layers' | 'annotations' | 'reference'>): TartManifest {
  const wrong = (why: string): ZlayerError =>
    new ZlayerError('PULL_FAILED', `${reference} is not a Tart image: ${why}`, { subject: reference });
  const other = layers.find(({ mediaType }) => mediaType.startsWith(`${PREFIX}disk.`) && mediaType !== TART.disk);
  if (other !== undefined) {
    throw new ZlayerError('UNSUPPORTED', `${reference} has a disk of the form ${other.mediaType}`, {
      subject: reference,
      remedy: 'Push it again with Tart 2 or later.',
    });
  }
  const only = (mediaType: string, largest: number): ArtifactLayer => {
    const [found, another] = layers.filter((layer) => layer.mediaType === mediaType);
    if (found === undefined) throw wrong(`it has no ${mediaType}`);
    if (another !== undefined) throw wrong(`it has ${mediaType} twice`);
    if (found.size > largest) throw wrong(`its ${mediaType} has ${found.size} bytes, more than ${largest}`);
    return found;
  };
  let offset = 0;
  const chunks = layers
    .filter(({ mediaType }) => mediaType === TART.disk)
    .map(({ digest, size, annotations: said }) => {
      const rawSize = wholeNumber(said[TART.rawSize]);
      const rawDigest = said[TART.rawDigest] ?? '';
      if (rawSize === undefined || rawSize === 0 || rawSize > LARGEST_CHUNK) {
        throw wrong(`its piece ${digest} has no ${TART.rawSize} that can be`);
      }
      if (!isDigest(rawDigest)) throw wrong(`its piece ${digest} has no ${TART.rawDigest}`);
      const chunk: TartChunk = { digest, size, offset, rawSize, rawDigest };
      offset += rawSize;
      return chunk;
    });
  if (chunks.length === 0) throw wrong('it has no disk');
  if (offset > LARGEST_DISK || offset % 512 !== 0) throw wrong(`a disk of ${offset} bytes cannot be`);
  const said = annotations[TART.diskSize];
  if (said !== undefined && wholeNumber(said) !== offset) {
    throw wrong(`its disk is said to have ${said} bytes, and its pieces have ${offset}`);
  }
  return {
    config: only(TART.config, LARGEST_CONFIG),
    nvram: only(TART.nvram, LARGEST_NVRAM),
    chunks,
    diskBytes: offset,
  };
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
