import { WINDOW_BYTES } from './runtime-protocol.ts';

interface Item<T> {
  value: T;
  bytes: number;
}

/**
 * What has come for a reader, in order. It grants the sender more as the reader takes items, and lets everything pass
 * when the reader has left.
 */
export class Inbox<T> implements AsyncIterableIterator<T, undefined> {
  readonly #grant: (bytes: number) => void;
  readonly #onLeave: () => void;
  #items: Item<T>[] = [];
  #taken = 0;
  #end: { error?: unknown } | undefined;
  #left = false;
  #wake: () => void = () => {};
  readonly #drained = Promise.withResolvers<void>();
  /** Resolves when it has ended and everything was taken, or nobody wants it any more. */
  readonly drained: Promise<void> = this.#drained.promise;

  constructor(grant: (bytes: number) => void, onLeave: () => void = () => {}) {
    this.#grant = grant;
    this.#onLeave = onLeave;
  }

  push(value: T, bytes: number): void {
    if (this.#left) this.#account(bytes);
    else this.#items.push({ value, bytes });
    this.#wake();
  }

  /** Nothing more comes. An error is told when what came before it was read; with `now`, at once. */
  end(end: { error?: unknown } = {}, { now = false }: { now?: boolean } = {}): void {
    this.#end ??= end;
    if (now) this.#items = [];
    if (this.#items.length === 0) this.#drained.resolve();
    this.#wake();
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      const item = this.#items.shift();
      if (item) {
        this.#account(item.bytes);
        if (this.#end && this.#items.length === 0) this.#drained.resolve();
        return { done: false, value: item.value };
      }
      if (this.#left) return { done: true, value: undefined };
      if (this.#end) {
        const { error } = this.#end;
        this.#left = true;
        if (error !== undefined) throw error;
        return { done: true, value: undefined };
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    if (!this.#left) {
      this.#left = true;
      for (const { bytes } of this.#items) this.#account(bytes);
      this.#items = [];
      this.#drained.resolve();
      this.#wake();
      if (!this.#end) this.#onLeave();
    }
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Grants come in batches: one message for each item would double the traffic. */
  #account(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken < WINDOW_BYTES / 4 || this.#end) return;
    this.#grant(this.#taken);
    this.#taken = 0;
  }
}
