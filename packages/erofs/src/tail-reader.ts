import type { FileHandle } from 'node:fs/promises';
import { ErofsError, ioError } from './erofs-error.ts';

const WINDOW_SIZE = 1 << 20;

/** Reads spooled tails, best in the order of their places. */
export class TailReader {
  readonly #handle: FileHandle;
  readonly #window = Buffer.allocUnsafe(WINDOW_SIZE);
  #start = 0;
  #length = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Reads ahead, unless these bytes are there already. To be awaited before `copy`. */
  load(offset: number, length: number): Promise<void> | undefined {
    if (offset >= this.#start && offset + length <= this.#start + this.#length) return undefined;
    return this.#read(offset, length);
  }

  /** Copies bytes that are loaded. */
  copy(offset: number, length: number, target: Buffer, position: number): void {
    const from = offset - this.#start;
    this.#window.copy(target, position, from, from + length);
  }

  async #read(offset: number, length: number): Promise<void> {
    this.#start = offset;
    this.#length = 0;
    try {
      while (this.#length < length) {
        const { bytesRead } = await this.#handle.read(
          this.#window,
          this.#length,
          WINDOW_SIZE - this.#length,
          offset + this.#length,
        );
        if (bytesRead === 0) throw new ErofsError('IO', 'a temporary file became shorter');
        this.#length += bytesRead;
      }
    } catch (error) {
      throw ioError('could not read the tails of files', error);
    }
  }
}
