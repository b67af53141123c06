import { crc32 } from 'node:zlib';
import { ErofsError } from './erofs-error.ts';
import { BLOCK_SIZE, blocksFor } from './format.ts';

/**
 * A rest of a file up to this size lies behind its inode, in the inode's block; a longer one has a block of its own.
 * Half a block leaves room for the inode and its extended attributes in all but odd cases.
 */
export const MAX_TAIL = BLOCK_SIZE / 2;

/** The content of a file, in the image already. Give it to the nodes of the tree; only the writer looks inside. */
export class FileData {
  /** Who made it. */
  readonly #owner: object;
  /** Bytes. */
  readonly size: number;
  /** First of its blocks. @internal */
  readonly block: number;
  /** Where in the spool. @internal */
  readonly tailOffset: number;
  /** Counts the contents of a writer from 1, in the order of their tails. @internal */
  readonly ordinal: number;
  /** CRC-32 of the bytes, as a signed number: V8 gives an unsigned one a place of its own on the heap. @internal */
  crc = 0;
  /** @internal */
  state: 'writing' | 'written' | 'discarded' = 'writing';

  /** @internal */
  constructor(owner: object, size: number, block: number, tailOffset: number, ordinal: number) {
    this.#owner = owner;
    this.size = size;
    this.block = block;
    this.tailOffset = tailOffset;
    this.ordinal = ordinal;
  }

  /** How many blocks. @internal */
  get blocks(): number {
    return shapeOf(this.size).blocks;
  }

  /** Bytes behind the blocks, spooled. @internal */
  get tailLength(): number {
    return shapeOf(this.size).tailLength;
  }

  /** Whether it can be put into an image of this writer. @internal */
  isUsableBy(owner: object): boolean {
    return this.#owner === owner && this.state === 'written';
  }
}

export function shapeOf(size: number): { blocks: number; tailLength: number } {
  const rest = size % BLOCK_SIZE;
  return rest > MAX_TAIL
    ? { blocks: blocksFor(size), tailLength: 0 }
    : { blocks: (size - rest) / BLOCK_SIZE, tailLength: rest };
}

/** What a file that is being written needs of its writer. */
export interface FileTarget {
  /** Throws if nothing more can be written. */
  check(): void;
  writeBlocks(position: number, bytes: Uint8Array): void;
  writeTail(position: number, bytes: Uint8Array): void;
  readonly pressure: Promise<void> | undefined;
  /** Whether contents are to be summed up, for the UUID. */
  readonly sums: boolean;
  closed(data: FileData): void;
}

const ZEROS = new Uint8Array(BLOCK_SIZE);

/** A file that is being written: `write` its bytes in order, then `end`. */
export class FileSink {
  readonly #target: FileTarget;
  readonly #data: FileData;
  #received = 0;

  /** @internal */
  constructor(target: FileTarget, data: FileData) {
    this.#target = target;
    this.#data = data;
  }

  /** How many bytes are still to come. */
  get remaining(): number {
    return this.#data.size - this.#received;
  }

  /**
   * Takes the next bytes. They are copied, so the buffer may be used again at once. Returns nothing while there is
   * room; else a promise, which never rejects, to wait for before more is written: who does not wait fills the memory.
   * A write that fails is reported by the next call.
   */
  write(chunk: Uint8Array): Promise<void> | undefined {
    const data = this.#data;
    this.#target.check();
    if (data.state !== 'writing') throw new ErofsError('INVALID_DATA', 'this file has ended already');
    if (chunk.length > this.remaining) {
      throw new ErofsError('WRONG_SIZE', `a file of ${data.size} bytes got at least ${this.#received + chunk.length}`);
    }
    if (this.#target.sums) data.crc = crc32(chunk, data.crc >>> 0) | 0;
    const inBlocks = data.size - data.tailLength;
    const toBlocks = Math.max(0, Math.min(chunk.length, inBlocks - this.#received));
    if (toBlocks > 0) {
      const part = toBlocks === chunk.length ? chunk : chunk.subarray(0, toBlocks);
      this.#target.writeBlocks(data.block * BLOCK_SIZE + this.#received, part);
    }
    if (toBlocks < chunk.length) {
      const part = toBlocks === 0 ? chunk : chunk.subarray(toBlocks);
      this.#target.writeTail(data.tailOffset + this.#received + toBlocks - inBlocks, part);
    }
    this.#received += chunk.length;
    return this.#target.pressure;
  }

  /** The content, to be put into nodes. Fewer bytes than announced are an error, and the file stays open. */
  end(): FileData {
    const data = this.#data;
    this.#target.check();
    if (data.state !== 'writing') throw new ErofsError('INVALID_DATA', 'this file has ended already');
    if (this.remaining > 0) {
      throw new ErofsError('WRONG_SIZE', `a file of ${data.size} bytes got ${this.#received}`);
    }
    if (data.tailLength === 0 && data.size % BLOCK_SIZE > 0) {
      this.#target.writeBlocks(data.block * BLOCK_SIZE + data.size, ZEROS.subarray(data.size % BLOCK_SIZE));
    }
    data.state = 'written';
    this.#target.closed(data);
    return data;
  }

  /** Gives the file up; its space is used for others. Does nothing when it has ended. */
  cancel(): void {
    if (this.#data.state !== 'writing') return;
    this.#data.state = 'discarded';
    this.#target.closed(this.#data);
  }
}
