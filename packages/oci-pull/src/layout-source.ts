import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, splitDigest } from './digest.ts';
import { messageOf, OciError, systemErrorCode } from './errors.ts';
import type { ImageSource, ManifestDocument } from './image-source.ts';
import { JsonDocument } from './json-document.ts';
import { type Descriptor, maximumManifestSize, parseIndexEntry } from './manifest.ts';
import { mediaTypes } from './media-types.ts';

const nameKey = 'org.opencontainers.image.ref.name';

/** An image in a directory of OCI image-layout form. */
export class LayoutSource implements ImageSource {
  readonly #directory: string;
  readonly #name: string | undefined;

  /** @param name The image's `org.opencontainers.image.ref.name`; if undefined, the layout must hold one image alone. */
  constructor(directory: string, name: string | undefined) {
    this.#directory = directory;
    this.#name = name;
  }

  async resolve(signal: AbortSignal): Promise<ManifestDocument> {
    const path = join(this.#directory, 'index.json');
    const bytes = await this.#read(path, signal);
    const items = JsonDocument.parse(bytes, path, 'INVALID_LAYOUT').documents('manifests');
    const names = items.map((item) => item.stringMap('annotations')[nameKey]);
    const wanted = items.filter((_, index) => this.#name === undefined || names[index] === this.#name);
    const distinctNames = new Set(names);
    if (wanted.length === 0 || (this.#name === undefined && distinctNames.size > 1)) {
      const listed = [...distinctNames].map((name) => name ?? 'one without a name').join(', ') || 'none';
      const text = `${this.#directory} does not say which image is meant: it has ${listed}.`;
      const missing = `${this.#directory} has no image ${JSON.stringify(this.#name)}, only ${listed}.`;
      throw new OciError('IMAGE_UNKNOWN', this.#name === undefined ? text : missing, {
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

  async readDocument(descriptor: Descriptor, _kind: 'manifest' | 'blob', signal: AbortSignal): Promise<Uint8Array> {
    return this.#read(this.#blobPath(descriptor), signal);
  }

  async *openBlob(descriptor: Descriptor, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const path = this.#blobPath(descriptor);
    try {
      await stat(path);
      yield* createReadStream(path, { highWaterMark: 256 * 1024, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw this.#unreadable(path, error);
    }
  }

  async #read(path: string, signal: AbortSignal): Promise<Buffer> {
    try {
      const { size } = await stat(path);
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
