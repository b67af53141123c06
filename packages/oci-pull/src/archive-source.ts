import { contentOfFile } from './blob-content.ts';
import { type Digest, digestOf } from './digest.ts';
import { OciError } from './errors.ts';
import type { ImageSource, ManifestDocument, OpenBlobOptions, OpenedBlob } from './image-source.ts';
import { JsonDocument } from './json-document.ts';
import { type Descriptor, parseIndexEntry } from './manifest.ts';
import { mediaTypes } from './media-types.ts';
import type { SpooledArchive, SpooledFile } from './spooled-archive.ts';

/** An image in an archive, with the names that it has there. */
export interface ArchivedImage {
  readonly names: readonly string[];
  readonly source: ImageSource;
}

const refNameKey = 'org.opencontainers.image.ref.name';
const containerdNameKey = 'io.containerd.image.name';

/** The images of an archive in OCI image-layout form, or in either form that `docker save` has had. */
export async function archivedImages(archive: SpooledArchive, name: string): Promise<ArchivedImage[]> {
  const index = archive.find('index.json');
  if (index !== undefined && archive.find('oci-layout') !== undefined) return await layoutImages(archive, index, name);
  const manifest = archive.find('manifest.json');
  if (manifest === undefined) throw archive.invalid('it has neither an index.json nor a manifest.json');
  return await dockerImages(archive, manifest, name);
}

async function layoutImages(archive: SpooledArchive, file: SpooledFile, name: string): Promise<ArchivedImage[]> {
  const index = JsonDocument.parse(await archive.readDocument(file), `index.json of ${name}`, 'INVALID_LAYOUT');
  const images = new Map<Digest, { names: string[]; root: Descriptor }>();
  for (const item of index.documents('manifests')) {
    const annotations = item.stringMap('annotations');
    const root = parseIndexEntry(item);
    const image = images.get(root.digest) ?? { names: [], root };
    const found = annotations[containerdNameKey] ?? annotations[refNameKey];
    if (found !== undefined) image.names.push(found);
    images.set(root.digest, image);
  }
  return await Promise.all(
    [...images.values()].map(async ({ names, root }) => {
      const bytes = await archive.readDocument(archive.require(blobName(root.digest)));
      const document = { bytes, mediaType: root.mediaType, digest: digestOf(bytes) };
      return { names, source: new ArchiveSource(archive, document) };
    }),
  );
}

/** `manifest.json` is a list, one item an image: its config, its layers and its names. */
async function dockerImages(archive: SpooledArchive, file: SpooledFile, name: string): Promise<ArchivedImage[]> {
  const list = JSON.stringify({ images: await parseList(archive, file) });
  const document = JsonDocument.parse(Buffer.from(list), `manifest.json of ${name}`, 'INVALID_LAYOUT');
  return document.documents('images').map((item) => {
    const config = archive.require(item.string('Config'));
    const layers = item.strings('Layers').map((path) => archive.require(path));
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { mediaType: mediaTypes.ociConfig, digest: config.digest, size: config.size },
      layers: layers.map((layer) => ({ mediaType: layerType(layer), digest: layer.digest, size: layer.size })),
    };
    const bytes = Buffer.from(JSON.stringify(manifest));
    const source = new ArchiveSource(archive, { bytes, mediaType: manifest.mediaType, digest: digestOf(bytes) });
    return { names: item.strings('RepoTags'), source };
  });
}

async function parseList(archive: SpooledArchive, file: SpooledFile): Promise<unknown> {
  try {
    return JSON.parse((await archive.readDocument(file)).toString('utf8'));
  } catch (error) {
    throw error instanceof OciError ? error : archive.invalid('its manifest.json is not JSON', error);
  }
}

function layerType({ magic }: SpooledFile): string {
  const hex = magic.toString('hex');
  if (hex.startsWith('1f8b')) return `${mediaTypes.ociLayer}+gzip`;
  return hex === '28b52ffd' ? `${mediaTypes.ociLayer}+zstd` : mediaTypes.ociLayer;
}

function blobName(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}

class ArchiveSource implements ImageSource {
  readonly kind = 'local';
  readonly #archive: SpooledArchive;
  readonly #root: ManifestDocument;

  constructor(archive: SpooledArchive, root: ManifestDocument) {
    this.#archive = archive;
    this.#root = root;
  }

  async resolve(): Promise<ManifestDocument> {
    return this.#root;
  }

  async resolveDigest(): Promise<Digest> {
    return this.#root.digest;
  }

  async readDocument(descriptor: Descriptor): Promise<Uint8Array> {
    return await this.#archive.readDocument(this.#file(descriptor));
  }

  async openBlob(descriptor: Descriptor, { offset = 0 }: OpenBlobOptions): Promise<OpenedBlob> {
    const { path, size } = this.#file(descriptor);
    return { start: offset, content: contentOfFile(path).read(offset, size) };
  }

  /** Files were spooled into the store's directory, and summed up on the way. */
  verifiedFile({ digest, size }: Descriptor): string | undefined {
    const file = this.#archive.findDigest(digest);
    return file?.size === size ? file.path : undefined;
  }

  #file({ digest }: Descriptor): SpooledFile {
    return this.#archive.findDigest(digest) ?? this.#archive.require(blobName(digest));
  }
}
