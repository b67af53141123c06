import { copyFile, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Digest, splitDigest } from './digest.ts';
import { messageOf, OciError } from './errors.ts';
import type { ImageStore } from './image-store.ts';
import type { Descriptor } from './manifest.ts';
import { mediaTypes } from './media-types.ts';
import { newStagingPath } from './staging.ts';
import type { StoredImage } from './stored-image.ts';
import { tarHeader, tarPadding, tarTrailer } from './tar-block.ts';

export interface ExportOptions {
  store: ImageStore;
  signal?: AbortSignal | undefined;
}

/**
 * Writes images as one tar archive, with each blob once: an OCI image layout that is what `docker save` writes as well,
 * so `docker load`, `skopeo copy oci-archive:` and `docker-archive:`, and `importArchive` read it. The same images give
 * the same bytes.
 *
 * @throws {OciError} `BLOB_UNKNOWN` if a blob is not in the store any more; the archive is cut off then.
 */
export async function* exportArchive(
  images: readonly StoredImage[],
  { store, signal }: ExportOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const exported = await describe(images, store);
  const blobs = distinctBlobs(exported);
  await using _lease = await store.lease([...blobs.keys()], signal);
  for (const [name, content] of documents(exported)) yield* archived(name, Buffer.from(JSON.stringify(content)));
  for (const [digest, { size }] of blobs) {
    signal?.throwIfAborted();
    await requireBlob(store, { digest, size });
    yield tarHeader(`blobs/${digest.replace(':', '/')}`, size);
    let bytes = 0;
    for await (const chunk of store.openBlob(digest)) {
      signal?.throwIfAborted();
      bytes += chunk.length;
      yield chunk;
    }
    if (bytes !== size) throw missing(store, digest);
    yield tarPadding(size);
  }
  yield tarTrailer;
}

/**
 * Writes images into a directory in OCI image-layout form, which is made. It must not exist yet: it appears complete.
 *
 * @throws {OciError} `STORE_FAILED` if the directory exists or cannot be written, `BLOB_UNKNOWN` for a missing blob.
 */
export async function exportLayout(
  images: readonly StoredImage[],
  directory: string,
  { store, signal }: ExportOptions,
): Promise<void> {
  const exported = await describe(images, store);
  const blobs = distinctBlobs(exported);
  await using _lease = await store.lease([...blobs.keys()], signal);
  const staged = await newStagingPath(dirname(directory));
  try {
    for (const [digest, { size }] of blobs) {
      signal?.throwIfAborted();
      await requireBlob(store, { digest, size });
      const { algorithm, hex } = splitDigest(digest);
      await mkdir(join(staged, 'blobs', algorithm), { recursive: true });
      await copyFile(store.blobPath(digest), join(staged, 'blobs', algorithm, hex));
    }
    await mkdir(staged, { recursive: true });
    for (const [name, content] of documents(exported)) {
      if (name === 'manifest.json') continue;
      const file = await open(join(staged, name), 'wx');
      try {
        await file.writeFile(JSON.stringify(content));
      } finally {
        await file.close();
      }
    }
    await rename(staged, directory);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof OciError) throw error;
    throw new OciError('STORE_FAILED', `Cannot write the layout ${directory}: ${messageOf(error)}`, {
      subject: directory,
      remedy: 'Name a directory that does not exist yet, in one that can be written to.',
      cause: error,
    });
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

interface Exported {
  readonly image: StoredImage;
  readonly manifest: Descriptor;
}

async function describe(images: readonly StoredImage[], store: ImageStore): Promise<Exported[]> {
  return await Promise.all(
    images.map(async (image) => {
      const { digest, manifest } = image;
      const found = await stat(store.blobPath(digest)).catch(() => undefined);
      if (found === undefined) throw missing(store, digest);
      return { image, manifest: { mediaType: manifest.mediaType, digest, size: found.size } };
    }),
  );
}

function distinctBlobs(exported: readonly Exported[]): Map<Digest, Descriptor> {
  const blobs = exported.flatMap(({ image, manifest }) => [manifest, image.manifest.config, ...image.layers]);
  return new Map(blobs.map((descriptor) => [descriptor.digest, descriptor]));
}

function documents(exported: readonly Exported[]): [name: string, content: unknown][] {
  const path = (digest: Digest) => `blobs/${digest.replace(':', '/')}`;
  const manifests = exported.map(({ image, manifest }) => ({
    ...manifest,
    platform: { ...image.platform },
    annotations: {
      'io.containerd.image.name': image.reference,
      'org.opencontainers.image.ref.name': image.reference,
    },
  }));
  const images = [...new Map(exported.map(({ image }) => [image.digest, image])).values()];
  const docker = images.map(({ digest, manifest, layers }) => ({
    Config: path(manifest.config.digest),
    // Docker loads no name with a digest.
    RepoTags: exported
      .filter(({ image }) => image.digest === digest && !image.reference.includes('@'))
      .map(({ image }) => image.reference),
    Layers: layers.map((layer) => path(layer.digest)),
  }));
  return [
    ['oci-layout', { imageLayoutVersion: '1.0.0' }],
    ['index.json', { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }],
    ['manifest.json', docker],
  ];
}

function* archived(name: string, content: Buffer): Generator<Uint8Array> {
  yield tarHeader(name, content.length);
  yield content;
  yield tarPadding(content.length);
}

async function requireBlob(store: ImageStore, blob: { digest: Digest; size: number }): Promise<void> {
  if (!(await store.hasBlob(blob))) throw missing(store, blob.digest);
}

function missing(store: ImageStore, digest: Digest): OciError {
  return new OciError('BLOB_UNKNOWN', `The blob ${digest} is not in the store ${store.directory}.`, {
    subject: digest,
    remedy: 'Pull the image again.',
  });
}
