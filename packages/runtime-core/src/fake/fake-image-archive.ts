import { createHash } from 'node:crypto';
import { readTar, writeTar } from '../conformance/tar.ts';
import { InvalidSpecError } from '../errors.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const REFERENCE = 'org.opencontainers.image.ref.name';

/** What an image archive says of one image. */
export interface ArchivedImage {
  reference: string;
  digest: string;
}

/** The digest of a blob. */
export function digestOf(blob: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(blob).digest('hex')}`;
}

/** An archive in OCI image-layout form. */
export function writeImageArchive(images: readonly (ArchivedImage & { blobs: readonly string[] })[]): Buffer {
  const blobs = new Map(images.flatMap((image) => image.blobs.map((blob) => [digestOf(blob), blob] as const)));
  const manifests = images.map(({ reference, digest }) => ({
    mediaType: MANIFEST,
    digest,
    size: Buffer.byteLength(blobs.get(digest) ?? ''),
    annotations: { [REFERENCE]: reference },
  }));
  return writeTar([
    { name: 'oci-layout', data: Buffer.from(JSON.stringify({ imageLayoutVersion: '1.0.0' })) },
    { name: 'index.json', data: Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })) },
    ...[...blobs].map(([digest, blob]) => ({ name: `blobs/${digest.replace(':', '/')}`, data: Buffer.from(blob) })),
  ]);
}

/**
 * The images of an archive; every blob is what its name says.
 *
 * @throws ZlayerError `INVALID_SPEC`
 */
export function readImageArchive(bytes: Uint8Array): ArchivedImage[] {
  const refuse = (why: string, cause?: unknown): never => {
    throw new InvalidSpecError(`this is no archive of images: ${why}`, { cause });
  };
  let files: Map<string, Uint8Array>;
  try {
    files = new Map(readTar(bytes).map(({ name, data }) => [name, data]));
  } catch (cause) {
    return refuse('it cannot be read', cause);
  }
  for (const [name, data] of files) {
    const [, hex] = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name) ?? [];
    if (hex !== undefined && digestOf(data) !== `sha256:${hex}`) refuse(`${name} is not what its name says`);
  }
  try {
    const { manifests } = JSON.parse(Buffer.from(files.get('index.json') ?? '').toString()) as {
      manifests: { digest: string; annotations: Record<string, string> }[];
    };
    return manifests.map(({ digest, annotations }) => ({ digest, reference: String(annotations[REFERENCE]) }));
  } catch (cause) {
    return refuse('it has no index', cause);
  }
}
