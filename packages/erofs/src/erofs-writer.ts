import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BlockAllocator } from './block-allocator.ts';
import { ErofsError, ioError, isSystemError } from './erofs-error.ts';
import { FileData, FileSink, type FileTarget, shapeOf } from './file-data.ts';
import { MAX_BLOCKS } from './format.ts';
import type { DirectoryNode } from './node.ts';
import { PositionedWriter } from './positioned-writer.ts';
import { checkLabel, parseUuid } from './superblock.ts';
import { writeMetadata } from './write-metadata.ts';

export interface ErofsWriterOptions {
  /** The file system's UUID. Default: derived from the whole content, so that the same input gives the same bytes. */
  uuid?: string | undefined;
  /** The volume's name, at most 15 bytes. Default: none. */
  label?: string | undefined;
  /** Ends everything when it aborts: calls throw its reason, and no file is left behind. */
  signal?: AbortSignal | undefined;
  /** Whether `finish` waits until the image is safe on the disk. Default: true. */
  sync?: boolean | undefined;
}

export interface AddFileOptions {
  /** Bytes to expect; any other number is an error. Without it the source is first copied to a temporary file. */
  size?: number | undefined;
}

/** What `finish` tells about the image. */
export interface ErofsImage {
  /** Size of the image file. */
  bytes: number;
  /** Number of inodes: all entries, with hard links counted once. */
  inodes: number;
  /** In the usual form with dashes. */
  uuid: string;
}

/**
 * Writes an EROFS image in one pass: contents first, in any order and as they come, then the tree. Nothing is at `path`
 * until `finish` has succeeded; a file that is there already stays until then and is then replaced.
 */
export class ErofsWriter implements AsyncDisposable {
  readonly #path: string;
  readonly #options: ErofsWriterOptions;
  readonly #uuid: Uint8Array | undefined;
  readonly #staged: string;
  readonly #imageHandle: FileHandle;
  readonly #tailsHandle: FileHandle;
  readonly #image: PositionedWriter;
  readonly #tails: PositionedWriter;
  /** Block 0 is the superblock's. */
  readonly #allocator = new BlockAllocator(1);
  readonly #target: FileTarget;
  #tailsEnd = 0;
  #files = 0;
  #writing = 0;
  #state: 'open' | 'finishing' | 'publishing' | 'finished' | 'failed' = 'open';
  #failure: unknown;
  #cleanUp: Promise<void> | undefined;

  private constructor(path: string, options: ErofsWriterOptions, staged: string, image: FileHandle, tails: FileHandle) {
    this.#path = path;
    this.#options = options;
    this.#uuid = options.uuid === undefined ? undefined : parseUuid(options.uuid);
    this.#staged = staged;
    this.#imageHandle = image;
    this.#tailsHandle = tails;
    const onError = (error: unknown) => this.#fail(ioError('could not write the image', error));
    this.#image = new PositionedWriter(image, onError);
    this.#tails = new PositionedWriter(tails, onError);
    this.#target = this.#makeTarget();
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Creates temporary files beside `path`, whose folder must be there. */
  static async create(path: string, options: ErofsWriterOptions = {}): Promise<ErofsWriter> {
    if (options.uuid !== undefined) parseUuid(options.uuid);
    if (options.label !== undefined) checkLabel(options.label);
    options.signal?.throwIfAborted();
    const staged = `${path}.${randomUUID()}.partial`;
    const image = await openNew(staged);
    try {
      const tails = await openUnnamed(`${path}.${randomUUID()}.tails`);
      const writer = new ErofsWriter(path, options, staged, image, tails);
      if (options.signal?.aborted === true) writer.#onAbort();
      await writer.#cleanUp;
      options.signal?.throwIfAborted();
      return writer;
    } catch (error) {
      await image.close().catch(() => {});
      await unlink(staged).catch(() => {});
      throw error;
    }
  }

  /**
   * Opens a file of exactly `size` bytes to push into. Any number may be open at once; the order of these calls fixes
   * their places. Small contents cost no system call of their own.
   */
  begin(size: number): FileSink {
    this.#check();
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new ErofsError('OUT_OF_RANGE', `the size of a file is a whole number of bytes, not ${size}`);
    }
    const { blocks, tailLength } = shapeOf(size);
    if (this.#allocator.end + blocks > MAX_BLOCKS) {
      throw new ErofsError('IMAGE_TOO_LARGE', `a file of ${size} bytes does not fit into an image of 16 TiB`);
    }
    const block = blocks === 0 ? 0 : this.#allocator.allocate(blocks);
    const data = new FileData(this, size, block, this.#tailsEnd, ++this.#files);
    this.#tailsEnd += tailLength;
    this.#writing += 1;
    return new FileSink(this.#target, data);
  }

  /** Takes a whole file from a source. When the source fails, the error is the source's and the writer goes on. */
  async addFile(
    source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options: AddFileOptions = {},
  ): Promise<FileData> {
    if (options.size === undefined) return this.#addUnsized(source);
    const sink = this.begin(options.size);
    try {
      for await (const chunk of source) await sink.write(chunk);
      return sink.end();
    } catch (error) {
      sink.cancel();
      throw error;
    }
  }

  /** Gives back the space of a content that no node will have. */
  discard(data: FileData): void {
    this.#check();
    if (!data.isUsableBy(this)) {
      throw new ErofsError('INVALID_DATA', 'only a content of this writer, and only once, can be discarded');
    }
    data.state = 'discarded';
    this.#release(data);
  }

  /** Writes the tree and makes the image appear at `path`. A failure removes everything that was written. */
  async finish(root: DirectoryNode): Promise<ErofsImage> {
    this.#check();
    if (this.#writing > 0) {
      throw new ErofsError('INVALID_DATA', `${this.#writing} files are still being written: end or cancel them first`);
    }
    this.#state = 'finishing';
    try {
      await Promise.all([this.#image.flush(), this.#tails.flush()]);
      this.#throwFailure();
      const image = await writeMetadata({
        root,
        owner: this,
        image: this.#image,
        imageHandle: this.#imageHandle,
        tailsHandle: this.#tailsHandle,
        firstBlock: this.#allocator.end,
        uuid: this.#uuid,
        label: this.#options.label ?? '',
        check: () => this.#throwFailure(),
      });
      await this.#publish(image.bytes);
      return image;
    } catch (error) {
      this.#fail(error);
      await this.#cleanUp;
      throw this.#failure;
    }
  }

  /** Ends everything and leaves no file behind. Does nothing when the image is finished. */
  async abort(): Promise<void> {
    this.#fail(new ErofsError('ABORTED', 'the image was aborted'));
    await this.#cleanUp;
  }

  /** Aborts, unless the image is finished. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.abort();
  }

  async #publish(bytes: number): Promise<void> {
    try {
      // Blocks at the end that were given back may have been written already.
      await this.#imageHandle.truncate(bytes);
      if (this.#options.sync !== false) await this.#imageHandle.sync();
    } catch (error) {
      throw ioError('could not write the image', error);
    }
    this.#throwFailure();
    // From here on an abort comes too late: a rename cannot be taken back.
    this.#state = 'publishing';
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    try {
      await this.#imageHandle.close();
      await this.#tailsHandle.close();
      await rename(this.#staged, this.#path);
      if (this.#options.sync !== false) await syncFolder(dirname(this.#path));
      this.#state = 'finished';
    } catch (error) {
      this.#state = 'finishing';
      throw ioError(`could not put the image at ${this.#path}`, error);
    }
  }

  async #addUnsized(source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<FileData> {
    this.#check();
    await using handle = await openUnnamed(`${this.#path}.${randomUUID()}.spool`);
    let size = 0;
    try {
      for await (const chunk of source) {
        this.#check();
        for (let from = 0; from < chunk.length; ) {
          const { bytesWritten } = await handle.write(chunk, from, chunk.length - from, size);
          from += bytesWritten;
          size += bytesWritten;
        }
      }
    } catch (error) {
      throw isSystemError(error) ? ioError('could not spool a file', error) : error;
    }
    return await this.addFile(readAll(handle, size), { size });
  }

  #makeTarget(): FileTarget {
    const writer = this;
    return {
      sums: writer.#uuid === undefined,
      check: () => writer.#check(),
      writeBlocks: (position, bytes) => writer.#image.write(position, bytes),
      writeTail: (position, bytes) => writer.#tails.write(position, bytes),
      get pressure() {
        return writer.#image.pressure ?? writer.#tails.pressure;
      },
      closed: (data) => {
        writer.#writing -= 1;
        if (data.state === 'discarded') writer.#release(data);
      },
    };
  }

  #release(data: FileData): void {
    if (data.blocks > 0) this.#allocator.release(data.block, data.blocks);
  }

  #check(): void {
    this.#throwFailure();
    if (this.#state !== 'open') throw new ErofsError('FINISHED', 'the image is finished: nothing can be added to it');
  }

  #throwFailure(): void {
    if (this.#state === 'failed') throw this.#failure;
  }

  readonly #onAbort = (): void => this.#fail(this.#options.signal?.reason);

  #fail(error: unknown): void {
    if (this.#state === 'failed' || this.#state === 'publishing' || this.#state === 'finished') return;
    this.#state = 'failed';
    this.#failure = error;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#cleanUp = this.#removeFiles();
  }

  async #removeFiles(): Promise<void> {
    await Promise.all([this.#image.stop(), this.#tails.stop()]);
    // What was closed or removed already need not be.
    await this.#imageHandle.close().catch(() => {});
    await this.#tailsHandle.close().catch(() => {});
    await unlink(this.#staged).catch(() => {});
  }
}

async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx+', 0o644);
  } catch (error) {
    throw ioError(`could not create ${path}`, error);
  }
}

/** A temporary file that is gone when it is closed, however the program ends. */
async function openUnnamed(path: string): Promise<FileHandle> {
  const handle = await openNew(path);
  try {
    await unlink(path);
    return handle;
  } catch (error) {
    await handle.close();
    throw ioError(`could not remove ${path}`, error);
  }
}

async function* readAll(handle: FileHandle, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = Buffer.allocUnsafe(Math.min(size, 1 << 18));
  for (let position = 0; position < size; ) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) throw new ErofsError('IO', 'a temporary file became shorter');
    yield buffer.subarray(0, bytesRead);
    position += bytesRead;
  }
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}
