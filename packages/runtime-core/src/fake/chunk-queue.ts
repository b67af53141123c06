import { abortable } from '../abortable.ts';
import { Pulse } from './pulse.ts';

/** Bytes that may wait before a writer has to. */
const HIGH_WATER = 64 * 1024;

/** Hands pieces of data from writers to one reader. A writer waits while the reader has more than 64 KiB to read. */
export class ChunkQueue<T> implements AsyncIterableIterator<T> {
  readonly #sizeOf: (chunk: T) => number;
  readonly #signal: AbortSignal | undefined;
  readonly #change = new Pulse();
  readonly #chunks: T[] = [];
  #bytes = 0;
  #ended = false;
  #abandoned = false;

  constructor(sizeOf: (chunk: T) => number, signal?: AbortSignal) {
    this.#sizeOf = sizeOf;
    this.#signal = signal;
    if (signal?.aborted) this.abandon();
    signal?.addEventListener('abort', () => this.abandon(), { once: true });
  }

  /** Whether more may be pushed. */
  get open(): boolean {
    return !this.#ended && !this.#abandoned;
  }

  /** Resolves when more may be pushed. What nobody will read is dropped. */
  async push(chunk: T): Promise<void> {
    if (!this.open) return;
    this.#chunks.push(chunk);
    this.#bytes += this.#sizeOf(chunk);
    this.#change.beat();
    while (this.open && this.#bytes > HIGH_WATER) await this.#change.wait();
  }

  /** Nothing more comes; what is there can still be read. */
  end(): void {
    this.#ended = true;
    this.#change.beat();
  }

  /** Resolves when nothing more comes and all was read, or nobody reads any more. */
  async drained(): Promise<void> {
    while (!this.#abandoned && !(this.#ended && this.#chunks.length === 0)) await this.#change.wait();
  }

  /** Nobody reads any more. */
  abandon(): void {
    this.#abandoned = true;
    this.#chunks.length = 0;
    this.#change.beat();
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      this.#signal?.throwIfAborted();
      if (this.#abandoned) return { done: true, value: undefined };
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#bytes -= this.#sizeOf(chunk);
        this.#change.beat();
        return { done: false, value: chunk };
      }
      if (this.#ended) return { done: true, value: undefined };
      await abortable(this.#change.wait(), this.#signal);
    }
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.abandon();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
