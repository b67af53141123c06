import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { digestOf, splitDigest } from '../digest.ts';
import type { Descriptor } from '../manifest.ts';
import { mediaTypes } from '../media-types.ts';
import { type TarInput, writeTar } from './tar-writer.ts';

/** One layer: entries to archive, or an archive that exists already. */
export interface LayerInput {
  content: Iterable<TarInput> | Buffer;
  /** Default: `gzip`. */
  compression?: 'gzip' | 'zstd' | 'none' | undefined;
}

/** An image for one platform. */
export interface ImageInput {
  /** Such as `amd64` or `arm64`. */
  architecture: string;
  variant?: string | undefined;
  /** The `config` object of the OCI config: `Entrypoint`, `Cmd`, `Env`, `User`, `WorkingDir` and so on. */
  config?: Readonly<Record<string, unknown>> | undefined;
  /** The lowest first. */
  layers: readonly LayerInput[];
  /** Default: `oci`. */
  format?: 'oci' | 'docker' | undefined;
}

/** Some content with its name. */
export interface Blob extends Descriptor {
  readonly bytes: Buffer;
}

export interface BuiltImage {
  readonly architecture: string;
  readonly variant: string | undefined;
  readonly manifest: Blob;
  readonly config: Blob;
  readonly layers: readonly Blob[];
}

/** Builds an image in memory. */
export function buildImage(input: ImageInput): BuiltImage {
  const { architecture, variant, format = 'oci' } = input;
  const docker = format === 'docker';
  const archives = input.layers.map(({ content }) => (Buffer.isBuffer(content) ? content : writeTar(content)));
  const layers = archives.map((archive, index) => {
    const compression = input.layers[index]?.compression ?? 'gzip';
    const suffix = compression === 'none' ? '' : `${docker ? '.' : '+'}${compression}`;
    return toBlob(`${docker ? mediaTypes.dockerLayer : mediaTypes.ociLayer}${suffix}`, compress(archive, compression));
  });
  const config = toJsonBlob(docker ? mediaTypes.dockerConfig : mediaTypes.ociConfig, {
    architecture,
    ...(variant === undefined ? {} : { variant }),
    os: 'linux',
    config: input.config ?? {},
    rootfs: { type: 'layers', diff_ids: archives.map((archive) => digestOf(archive)) },
    history: archives.map(() => ({ created_by: 'zlayer' })),
  });
  const mediaType = docker ? mediaTypes.dockerManifest : mediaTypes.ociManifest;
  const manifest = toJsonBlob(mediaType, {
    schemaVersion: 2,
    mediaType,
    config: descriptorOf(config),
    layers: layers.map(descriptorOf),
  });
  return { architecture, variant, manifest, config, layers };
}

/** Builds the index of images for several platforms. */
export function buildIndex(images: readonly BuiltImage[], format: 'oci' | 'docker' = 'oci'): Blob {
  const mediaType = format === 'docker' ? mediaTypes.dockerIndex : mediaTypes.ociIndex;
  const manifests = images.map(({ manifest, architecture, variant }) => ({
    ...descriptorOf(manifest),
    platform: { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) },
  }));
  return toJsonBlob(mediaType, { schemaVersion: 2, mediaType, manifests });
}

/**
 * Writes images as an OCI image layout that other tools can read, such as `skopeo copy --all oci:DIRECTORY:NAME`.
 * One image is written as it is, several as an index. A layout that exists gets a further name.
 */
export async function writeImageLayout(
  directory: string,
  { name, images }: { name: string; images: readonly (ImageInput | BuiltImage)[] },
): Promise<void> {
  const built = images.map((image) => ('manifest' in image ? image : buildImage(image)));
  const [first] = built;
  if (first === undefined) throw new RangeError('a layout needs an image');
  const top = built.length === 1 ? first.manifest : buildIndex(built);
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true });
  for (const { digest, bytes } of [
    top,
    ...built.flatMap(({ manifest, config, layers }) => [manifest, config, ...layers]),
  ]) {
    await writeFile(join(directory, 'blobs', 'sha256', splitDigest(digest).hex), bytes);
  }
  const entry = { ...descriptorOf(top), annotations: { 'org.opencontainers.image.ref.name': name } };
  const manifests = [...(await readEntries(directory)), entry];
  await writeFile(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}

export function toBlob(mediaType: string, bytes: Buffer): Blob {
  return { mediaType, digest: digestOf(bytes), size: bytes.length, bytes };
}

export function toJsonBlob(mediaType: string, content: unknown): Blob {
  return toBlob(mediaType, Buffer.from(JSON.stringify(content)));
}

export function descriptorOf({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

function compress(archive: Buffer, compression: 'gzip' | 'zstd' | 'none'): Buffer {
  if (compression === 'none') return archive;
  return compression === 'gzip' ? gzipSync(archive) : zstdCompressSync(archive);
}

async function readEntries(directory: string): Promise<unknown[]> {
  const text = await readFile(join(directory, 'index.json'), 'utf8').catch(() => '{"manifests":[]}');
  const index: { manifests: unknown[] } = JSON.parse(text);
  return index.manifests;
}
