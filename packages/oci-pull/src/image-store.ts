import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { type Digest, digestOf, isDigest, splitDigest } from './digest.ts';
import { messageOf, OciError, systemErrorCode } from './errors.ts';
import { hashFile } from './hash-file.ts';
import { storeLock, takeLease } from './leases.ts';
import { withLockFile } from './lock-file.ts';
import type { Descriptor } from './manifest.ts';
import { type Pin, readPins, removePin, writePin } from './pins.ts';
import { type Platform, platformRank } from './platform.ts';
import { type BlobOrigin, type ReceiveOptions, receiveBlob, SourceFailure } from './receive-blob.ts';
import { formatReference, type ImageReference, type ParseReferenceOptions, parseReference } from './reference.ts';
import { removeTree } from './remove-tree.ts';
import { abandonedStagingPaths, syncDirectory } from './staging.ts';
import { type ImageRecord, StoreIndex } from './store-index.ts';
import type { StoredImage } from './stored-image.ts';
import { type UnsyncedFiles, WriteBehind } from './write-behind.ts';

export interface WriteBlobOptions extends ReceiveOptions {
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
  readonly #writeBehind: WriteBehind;

  private constructor(directory: string) {
    this.directory = directory;
    this.#index = new StoreIndex(directory);
    const isSound = (path: string) => isBlobSound(directory, path);
    this.#writeBehind = new WriteBehind({ directory, lock: storeLock(directory), isSound });
  }

  /**
   * Opens the store in a directory, making it if need be, and removes what crashed processes left unfinished, and what a
   * power cut damaged.
   */
  static async open(directory: string): Promise<ImageStore> {
    const store = new ImageStore(directory);
    try {
      await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true });
      await store.#index.prepare();
      for (const path of await abandonedStagingPaths(store.#stagingDirectory)) await removeTree(path);
      await store.#writeBehind.settle();
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

  /** Where the bytes of a blob are while they arrive, and afterwards. */
  blobPaths(digest: Digest): readonly string[] {
    return [join(this.#partialDirectory, splitDigest(digest).hex), this.blobPath(digest)];
  }

  /**
   * Keeps {@link collectGarbage} in every process from removing what has these digests, until it is disposed of or this
   * process ends. Take it before relying on something that no recorded image needs.
   */
  async lease(digests: readonly Digest[], signal?: AbortSignal): Promise<AsyncDisposable> {
    return await this.#disk(takeLease(this.directory, digests, signal));
  }

  /**
   * Keeps {@link collectGarbage} in every process from removing what has these digests, until {@link unpin}: also when
   * this process has ended and the machine was started anew. For containers, whose images may lose their names.
   *
   * @param name Replaces an earlier pin of that name. Any text of 1 to 1024 characters.
   * @param digests Of manifests, which keep all that belongs to them, or of blobs.
   */
  async pin(name: string, digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    await this.#disk(writePin(this.directory, { name, digests }, signal));
  }

  /** Takes a pin out. @returns Whether there was one. */
  async unpin(name: string, signal?: AbortSignal): Promise<boolean> {
    return await this.#disk(removePin(this.directory, name, signal));
  }

  /** All pins, in no particular order. */
  async pins(): Promise<Pin[]> {
    return await this.#disk(readPins(this.directory));
  }

  /**
   * Notes blobs and other files of the store that will be written without being synced one by one, until it is disposed
   * of. After a power cut, what they name is looked at when the store is opened, and removed if it is damaged.
   */
  async writeBehind(paths: readonly string[], signal?: AbortSignal): Promise<UnsyncedFiles> {
    const relatives = paths.map((path) => relative(this.directory, path));
    return await this.#disk(this.#writeBehind.begin(relatives, signal));
  }

  /** Makes a blob that is there survive a power cut, also if its writer left that to the system. */
  async syncBlob(digest: Digest): Promise<void> {
    const path = this.blobPath(digest);
    const sync = async () => {
      await using file = await open(path, 'r');
      await file.sync();
      await syncDirectory(dirname(path));
    };
    await this.#disk(sync());
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
   * Writes a blob from a stream and makes it visible when it is complete. It is not seen if it is longer or shorter
   * than its descriptor says, has another digest, or is aborted.
   *
   * @throws {OciError} `SIZE_MISMATCH`, `DIGEST_MISMATCH` or `STORE_FAILED`; errors of the stream as they are.
   */
  async writeBlob(
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    { onBytes, ...options }: WriteBlobOptions = {},
  ): Promise<void> {
    let bytes = 0;
    for await (const chunk of this.receiveBlob(descriptor, async () => ({ start: 0, content }), options)) {
      bytes += chunk.length;
      onBytes?.(bytes);
    }
  }

  /**
   * Writes a blob as {@link writeBlob} does, from where an earlier attempt ended if the origin can do so, and hands out
   * its bytes on the way, from the first one. They are verified when the generator has come to its end, not before.
   */
  async *receiveBlob(
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    origin: BlobOrigin,
    options: ReceiveOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const place = { target: this.blobPath(descriptor.digest), partial: this.#partialDirectory };
    try {
      yield* receiveBlob(descriptor, place, origin, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof SourceFailure) throw error.cause;
      throw systemErrorCode(error) === undefined ? error : storeError(this.directory, error);
    }
  }

  /**
   * Takes a file for a blob by moving it here. Its content must be verified, and it must lie in the store's directory.
   */
  async adoptBlob(digest: Digest, path: string): Promise<void> {
    const target = this.blobPath(digest);
    const adopt = async () => {
      await mkdir(dirname(target), { recursive: true });
      const file = await open(path, 'r+');
      try {
        await file.chmod(0o644);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(path, target);
      await syncDirectory(dirname(target));
    };
    await this.#disk(adopt());
  }

  /** Forgets what an earlier attempt left of a blob, because it may be wrong. */
  async dropPartialBlob(digest: Digest, signal?: AbortSignal): Promise<void> {
    const path = join(this.#partialDirectory, splitDigest(digest).hex);
    const drop = async () => {
      await mkdir(this.#partialDirectory, { recursive: true });
      await withLockFile(`${path}.lock`, () => rm(path, { force: true }), signal);
    };
    await this.#disk(drop());
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

  /**
   * Gives an image of this store another name; an older image of that name and platform is forgotten.
   *
   * @throws {OciError} `INVALID_REFERENCE` if the name is none, `IMAGE_UNKNOWN` if the image is not recorded here.
   */
  async tag(image: StoredImage, name: string, options: ParseReferenceOptions = {}): Promise<void> {
    const origin = formatReference(parseReference(name, options));
    const record = (await this.list()).find(({ digest }) => digest === image.digest);
    if (record === undefined) {
      throw new OciError('IMAGE_UNKNOWN', `${image.reference} is not recorded in ${this.directory}.`, {
        subject: image.reference,
        remedy: 'Pull it first.',
      });
    }
    await this.record({ ...record, name, origin, source: 'local' });
  }

  /**
   * Forgets a name in all its spellings, for one platform or all. Blobs stay until {@link collectGarbage}.
   *
   * @returns What was recorded; none if there was nothing.
   */
  async remove(
    reference: string | ImageReference,
    { platform, signal, ...options }: ParseReferenceOptions & { platform?: Platform; signal?: AbortSignal } = {},
  ): Promise<ImageRecord[]> {
    const origin = formatReference(typeof reference === 'string' ? parseReference(reference, options) : reference);
    const isMeant = (record: ImageRecord) =>
      record.origin === origin && (platform === undefined || platformRank(platform, record.platform) !== undefined);
    return await this.#disk(this.#index.remove(isMeant, signal));
  }

  /** Everything that is recorded, in the order of the index. */
  async list(): Promise<ImageRecord[]> {
    return this.#disk(this.#index.read());
  }

  get #stagingDirectory(): string {
    return join(this.directory, 'staging');
  }

  get #partialDirectory(): string {
    return join(this.directory, 'partial');
  }

  async #disk<T>(operation: Promise<T>): Promise<T> {
    try {
      return await operation;
    } catch (cause) {
      throw storeError(this.directory, cause);
    }
  }
}

/** What is made of blobs counts as damaged: making it anew is as fast as comparing it. */
async function isBlobSound(directory: string, path: string): Promise<boolean> {
  const [folder, algorithm, hex] = relative(directory, path).split(sep);
  const digest = `${algorithm}:${hex}`;
  return folder === 'blobs' && isDigest(digest) && (await hashFile(path, digest, undefined))?.digest === digest;
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
