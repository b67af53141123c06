import { createReadStream, type Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestOf, splitDigest } from './digest.ts';
import { messageOf, OciError, systemErrorCode } from './errors.ts';
import type { ImageSource, ManifestDocument, OpenBlobOptions, OpenedBlob } from './image-source.ts';
import { JsonDocument } from './json-document.ts';
import { type Descriptor, maximumManifestSize, parseIndexEntry } from './manifest.ts';
import { mediaTypes } from './media-types.ts';
import { formatReference, type ImageReference, type ParseReferenceOptions, parseReference } from './reference.ts';

const nameKey = 'org.opencontainers.image.ref.name';

/** An image in a directory of OCI image-layout form. */
export class LayoutSource implements ImageSource {
  readonly kind = 'local';
  readonly #directory: string;
  readonly #name: string | ImageReference | undefined;
  readonly #options: ParseReferenceOptions;

  /**
   * @param name The image's `org.opencontainers.image.ref.name`, exactly; or a reference, for an image that is named by
   *   any spelling of it; if undefined, the layout must hold one image alone.
   * @param options Say which registry is meant by names in the layout that have none.
   */
  constructor(directory: string, name: string | ImageReference | undefined, options: ParseReferenceOptions = {}) {
    this.#directory = directory;
    this.#name = name;
    this.#options = options;
  }

  async resolve(signal: AbortSignal): Promise<ManifestDocument> {
    const items = await this.#readIndex(signal);
    const names = items.map((item) => item.stringMap('annotations')[nameKey]);
    const wanted = items.filter((item, index) => this.#isMeant(names[index], item));
    const distinctNames = new Set(names);
    if (wanted.length === 0 || (this.#name === undefined && distinctNames.size > 1)) {
      const all = [...distinctNames].map((name) => name ?? 'one without a name');
      const listed = `${all.slice(0, 20).join(', ') || 'none'}${all.length > 20 ? ', …' : ''}`;
      const name = typeof this.#name === 'object' ? formatReference(this.#name) : this.#name;
      const text = `${this.#directory} does not say which image is meant: it has ${listed}.`;
      const missing = `${this.#directory} has no image ${JSON.stringify(name)}, only ${listed}.`;
      throw new OciError('IMAGE_UNKNOWN', name === undefined ? text : missing, {
        subject: this.#directory,
        remedy: 'Name one of them.',
      });
    }
    const [only] = wanted;
    if (only !== undefined && wanted.length === 1) {
      const descriptor = parseIndexEntry(only);
      const content = await this.readDocument(descriptor, 'manifest', signal);
      const actual = digestOf(content, splitDigest(descriptor.digest).algorithm);
      if (actual !== descriptor.digest) {
        throw new OciError('DIGEST_MISMATCH', `The manifest ${descriptor.digest} in ${this.#directory} is damaged.`, {
          subject: this.#directory,
        });
      }
      return { bytes: content, mediaType: descriptor.mediaType, digest: descriptor.digest };
    }
    // One name for several platforms: the entries are an index in themselves.
    const manifests = wanted.map((item) => item.source);
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }));
    return { bytes: index, mediaType: mediaTypes.ociIndex, digest: digestOf(index) };
  }

  async resolveDigest(signal: AbortSignal): Promise<Digest> {
    return (await this.resolve(signal)).digest;
  }

  async readDocument(descriptor: Descriptor, _kind: 'manifest' | 'blob', signal: AbortSignal): Promise<Uint8Array> {
    return this.#read(this.#blobPath(descriptor), signal);
  }

  async openBlob(descriptor: Descriptor, { offset = 0, signal }: OpenBlobOptions): Promise<OpenedBlob> {
    const path = this.#blobPath(descriptor);
    try {
      requireFile(await stat(path));
    } catch (error) {
      throw this.#unreadable(path, error);
    }
    return { start: offset, content: this.#stream(path, offset, signal) };
  }

  async *#stream(path: string, start: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      yield* createReadStream(path, { highWaterMark: 256 * 1024, start, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw this.#unreadable(path, error);
    }
  }

  async #readIndex(signal: AbortSignal): Promise<JsonDocument[]> {
    const path = join(this.#directory, 'index.json');
    try {
      return JsonDocument.parse(await this.#read(path, signal), path, 'INVALID_LAYOUT').documents('manifests');
    } catch (error) {
      // A place where images may be, and none was ever put, is nothing wrong.
      const none = error instanceof OciError && systemErrorCode(error.cause) === 'ENOENT';
      if (none && typeof this.#name === 'object') return [];
      throw error;
    }
  }

  #isMeant(name: string | undefined, item: JsonDocument): boolean {
    if (this.#name === undefined) return true;
    if (typeof this.#name === 'string') return name === this.#name;
    if (name === undefined) return false;
    const { registry, repository, tag, digest } = this.#name;
    let own: ImageReference;
    try {
      own = parseReference(name, this.#options);
    } catch (error) {
      if (error instanceof OciError) return false;
      throw error;
    }
    if (own.registry !== registry || own.repository !== repository) return false;
    return digest === undefined ? own.tag === tag : item.digest('digest') === digest;
  }

  async #read(path: string, signal: AbortSignal): Promise<Buffer> {
    try {
      const { size } = requireFile(await stat(path));
      if (size > maximumManifestSize) {
        const text = `${path} is longer than ${maximumManifestSize} bytes.`;
        throw new OciError('LIMIT_EXCEEDED', text, { subject: path });
      }
      return await readFile(path, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw this.#unreadable(path, error);
    }
  }

  #blobPath({ digest }: Descriptor): string {
    const { algorithm, hex } = splitDigest(digest);
    return join(this.#directory, 'blobs', algorithm, hex);
  }

  #unreadable(path: string, error: unknown): OciError {
    if (error instanceof OciError) return error;
    const missing = systemErrorCode(error) === 'ENOENT';
    const text = missing ? `${path} is missing.` : `${path} cannot be read: ${messageOf(error)}`;
    return new OciError(path.endsWith('index.json') || !missing ? 'INVALID_LAYOUT' : 'BLOB_UNKNOWN', text, {
      subject: this.#directory,
      remedy: 'Check that this is a complete directory in OCI image-layout form.',
      cause: error,
    });
  }
}

/** Reading a FIFO would never end. */
function requireFile(found: Stats): Stats {
  if (!found.isFile()) throw new Error('it is no file');
  return found;
}
