import type { OutputChunk } from '@zlayer/runtime-core';

/** How many bytes wait for a slow reader before the writer has to. */
const CAPACITY = 1024 * 1024;

/** Carries output from one writer to one reader; the writer waits while the reader is behind. */
export class OutputChannel implements AsyncIterableIterator<OutputChunk> {
  readonly #queue: OutputChunk[] = [];
  #bytes = 0;
  #capacity = CAPACITY;
  #ended = false;
  #failure: { reason: unknown } | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  readonly #drained: PromiseWithResolvers<void> = Promise.withResolvers();

  /** Resolves when it has ended and all was read, or the reader has gone. */
  get drained(): Promise<void> {
    return this.#drained.promise;
  }

  /** Adds a chunk. Resolves when there is room for the next, or when the reader has gone. One call at a time. */
  async push(chunk: OutputChunk): Promise<void> {
    if (this.#ended) return;
    this.#queue.push(chunk);
    this.#bytes += chunk.data.byteLength;
    this.#wakeReader?.();
    if (this.#bytes < this.#capacity) return;
    await new Promise<void>((resolve) => {
      this.#wakeWriter = resolve;
    });
  }

  /** The writer never waits again; what it still writes is kept for the reader. */
  release(): void {
    this.#capacity = Number.POSITIVE_INFINITY;
    this.#wakeWriter?.();
  }

  /** No more chunks will come; the reader still gets those that wait. */
  end(): void {
    this.#ended = true;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  async next(): Promise<IteratorResult<OutputChunk>> {
    while (this.#queue.length === 0) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      if (this.#ended) {
        this.#drained.resolve();
        return { done: true, value: undefined };
      }
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
      this.#wakeReader = undefined;
    }
    const chunk = this.#queue.shift();
    if (chunk === undefined) return this.next();
    this.#bytes -= chunk.data.byteLength;
    if (this.#bytes < this.#capacity) {
      this.#wakeWriter?.();
      this.#wakeWriter = undefined;
    }
    return { done: false, value: chunk };
  }

  /** Ends the reading with an error: what waits is dropped, and the writer never waits again. */
  abort(reason: unknown): void {
    this.#failure = { reason };
    void this.return();
  }

  /** The reader has had enough: what waits is dropped, and the writer never waits again. */
  async return(): Promise<IteratorResult<OutputChunk>> {
    this.#queue.length = 0;
    this.#bytes = 0;
    this.end();
    this.#drained.resolve();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
