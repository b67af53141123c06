import { type FileHandle, open } from 'node:fs/promises';
import { systemErrorCode } from './errors.ts';
import { takePiece } from './piece-pool.ts';

/**
 * A blob that is being written to disk, for readers that do not wait for its end. The writer is never slowed down by a
 * reader; a reader sees the end when the writer has verified the whole.
 */
export class ArrivingBlob {
  readonly #paths: readonly string[];
  #bytes = 0;
  #wasRead = false;
  #state: 'arriving' | 'complete' | 'failed' = 'arriving';
  #failure: unknown;
  #change = Promise.withResolvers<void>();

  /** @param paths Where the bytes may be, while they arrive and afterwards. */
  constructor(paths: readonly string[]) {
    this.#paths = paths;
  }

  /** The first bytes, up to a number, can be read. */
  arrived(bytes: number): void {
    // Another attempt begins at the first byte again.
    if (bytes <= this.#bytes) return;
    this.#bytes = bytes;
    this.#notify();
  }

  /** Whether somebody has begun to read. */
  get wasRead(): boolean {
    return this.#wasRead;
  }

  complete(bytes: number): void {
    this.#bytes = bytes;
    this.#state = 'complete';
    this.#notify();
  }

  fail(error: unknown): void {
    if (this.#state !== 'arriving') return;
    this.#state = 'failed';
    this.#failure = error;
    this.#notify();
  }

  /** The blob's bytes from the first to the last, as they come. Ends with an error if the writer fails. */
  async *read(signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    let file: FileHandle | undefined;
    this.#wasRead = true;
    try {
      for (let offset = 0; ; ) {
        const change = this.#change.promise;
        if (this.#state === 'failed') throw this.#failure;
        const available = this.#bytes - offset;
        if (available > 0) {
          file ??= await this.#open();
          const piece = takePiece();
          const read = await file?.read(piece, 0, Math.min(piece.length, available), offset);
          const bytesRead = read?.bytesRead ?? 0;
          signal.throwIfAborted();
          if (bytesRead === 0 && this.#state !== 'complete') {
            // The writer threw away what was wrong, and is about to fail or has begun anew.
            await change;
            continue;
          }
          if (bytesRead === 0) throw new Error(`${this.#paths[0]} became shorter while it was read`);
          offset += bytesRead;
          yield piece.subarray(0, bytesRead);
        } else if (this.#state === 'complete') {
          return;
        } else {
          await change;
        }
      }
    } finally {
      await file?.close();
    }
  }

  /** @returns undefined if the writer has just thrown away what was there. */
  async #open(): Promise<FileHandle | undefined> {
    let missing: unknown;
    for (const path of this.#paths) {
      try {
        return await open(path, 'r');
      } catch (error) {
        if (systemErrorCode(error) !== 'ENOENT') throw error;
        missing = error;
      }
    }
    if (this.#state !== 'complete') return undefined;
    throw missing;
  }

  #notify(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}
