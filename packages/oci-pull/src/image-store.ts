import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Digest, DigestHash, digestOf, splitDigest } from './digest.ts';
import { messageOf, OciError, systemErrorCode } from './errors.ts';
import type { Descriptor } from './manifest.ts';
import { abandonedStagingPaths, newStagingPath, syncDirectory } from './staging.ts';
import { type ImageRecord, StoreIndex } from './store-index.ts';

export interface WriteBlobOptions {
  signal?: AbortSignal | undefined;
  /** Called with the bytes written so far. */
  onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Images on disk, in the form of an OCI image layout, so that other tools can read them.
 *
 * Blobs are named by their digest and appear only when they are complete and verified. Any number of processes may use
 * the same store at once.
 */
export class ImageStore {
  readonly directory: string;
  readonly #index: StoreIndex;

  private constructor(directory: string) {
    this.directory = directory;
    this.#index = new StoreIndex(directory);
  }

  /** Opens the store in a directory, making it if need be, and removes what crashed processes left unfinished. */
  static async open(directory: string): Promise<ImageStore> {
    const store = new ImageStore(directory);
    try {
      await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true });
      await store.#index.prepare();
      for (const path of await abandonedStagingPaths(store.#stagingDirectory)) await rm(path, { force: true });
    } catch (cause) {
      throw storeError(directory, cause);
    }
    return store;
  }

  /** Where a blob lies, whether or not it is there. */
  blobPath(digest: Digest): string {
    const { algorithm, hex } = splitDigest(digest);
    return join(this.directory, 'blobs', algorithm, hex);
  }

  /** Tells whether a blob is there with its full length. Blobs were verified when they were written. */
  async hasBlob(descriptor: Pick<Descriptor, 'digest' | 'size'>): Promise<boolean> {
    try {
      const found = await stat(this.blobPath(descriptor.digest));
      return found.isFile() && found.size === descriptor.size;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw storeError(this.directory, error);
    }
  }

  /**
   * Writes a blob from a stream and makes it visible when it is complete.
   * Nothing of it stays if it is longer or shorter than its descriptor says, has another digest, or is aborted.
   *
   * @throws {OciError} `SIZE_MISMATCH`, `DIGEST_MISMATCH` or `STORE_FAILED`; errors of the stream as they are.
   */
  async writeBlob(
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: WriteBlobOptions = {},
  ): Promise<void> {
    const target = this.blobPath(descriptor.digest);
    const staged = await this.#disk(newStagingPath(this.#stagingDirectory));
    try {
      const file = await this.#disk(open(staged, 'wx', 0o644));
      try {
        await this.#writeVerified(file, descriptor, content, options);
        await this.#disk(file.sync());
      } finally {
        await file.close();
      }
      options.signal?.throwIfAborted();
      await this.#disk(mkdir(dirname(target), { recursive: true }));
      await this.#disk(rename(staged, target));
      await this.#disk(syncDirectory(dirname(target)));
    } catch (error) {
      await rm(staged, { force: true });
      throw error;
    }
  }

  /** Reads a small blob into memory and verifies it again. */
  async readBlob(descriptor: Pick<Descriptor, 'digest' | 'size'>): Promise<Buffer> {
    const path = this.blobPath(descriptor.digest);
    const bytes = (await this.hasBlob(descriptor)) ? await this.#disk(readFile(path)) : undefined;
    if (bytes === undefined) {
      throw new OciError('BLOB_UNKNOWN', `The blob ${descriptor.digest} is not in the store ${this.directory}.`, {
        subject: descriptor.digest,
        remedy: 'Pull the image again.',
      });
    }
    if (digestOf(bytes, splitDigest(descriptor.digest).algorithm) !== descriptor.digest) {
      throw new OciError('DIGEST_MISMATCH', `The blob ${path} was changed after it was stored.`, {
        subject: descriptor.digest,
        remedy: 'Remove that file and pull the image again.',
      });
    }
    return bytes;
  }

  /** Streams a blob. Its digest is not verified again here: layers are verified by their diff id when unpacked. */
  openBlob(digest: Digest): AsyncIterable<Uint8Array> {
    return createReadStream(this.blobPath(digest), { highWaterMark: 256 * 1024 });
  }

  /** Records an image under a name; an older image of the same name and platform is forgotten (its blobs stay). */
  async record(record: ImageRecord, signal?: AbortSignal): Promise<void> {
    try {
      await this.#index.add(record, signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw storeError(this.directory, error);
    }
  }

  /** Everything that is recorded, in the order of the index. */
  async list(): Promise<ImageRecord[]> {
    return this.#disk(this.#index.read());
  }

  get #stagingDirectory(): string {
    return join(this.directory, 'staging');
  }

  async #writeVerified(
    file: FileHandle,
    { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    { signal, onBytes }: WriteBlobOptions,
  ): Promise<void> {
    const hash = new DigestHash(splitDigest(digest).algorithm);
    let bytes = 0;
    for await (const chunk of content) {
      signal?.throwIfAborted();
      bytes += chunk.length;
      if (bytes > size) throw sizeMismatch(digest, size, 'more');
      hash.update(chunk);
      await this.#disk(writeFully(file, chunk));
      onBytes?.(bytes);
    }
    if (bytes !== size) throw sizeMismatch(digest, size, String(bytes));
    const actual = hash.digest();
    if (actual !== digest) {
      throw new OciError('DIGEST_MISMATCH', `The blob ${digest} came with other content, of digest ${actual}.`, {
        subject: digest,
        remedy: 'The registry, or something between it and this machine, changed it; pull again or from elsewhere.',
      });
    }
  }

  async #disk<T>(operation: Promise<T>): Promise<T> {
    try {
      return await operation;
    } catch (cause) {
      throw storeError(this.directory, cause);
    }
  }
}

async function writeFully(file: FileHandle, chunk: Uint8Array): Promise<void> {
  let offset = 0;
  while (offset < chunk.length) offset += (await file.write(chunk, offset)).bytesWritten;
}

function sizeMismatch(digest: Digest, size: number, actual: string): OciError {
  return new OciError('SIZE_MISMATCH', `The blob ${digest} should have ${size} bytes but came with ${actual}.`, {
    subject: digest,
    remedy: 'The registry, or something between it and this machine, changed it; pull again or from elsewhere.',
  });
}

function storeError(directory: string, cause: unknown): OciError {
  if (cause instanceof OciError) return cause;
  const full = systemErrorCode(cause) === 'ENOSPC';
  return new OciError('STORE_FAILED', `The image store ${directory} cannot be used: ${messageOf(cause)}`, {
    subject: directory,
    remedy: full ? 'Free some space on that disk.' : 'Check that the directory exists and that you may write to it.',
    cause,
  });
}
