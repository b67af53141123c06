/** Values that wait for a reader, as far as there is room for them. */
export class BoundedQueue<T> {
  readonly #capacity: number;
  readonly #sizeOf: (value: T) => number;
  #values: T[] = [];
  #size = 0;
  #outcome: { error: unknown } | 'end' | undefined;
  #changed: PromiseWithResolvers<void> | undefined;

  constructor(capacity: number, sizeOf: (value: T) => number) {
    this.#capacity = capacity;
    this.#sizeOf = sizeOf;
  }

  /** Adds a value, even beyond the capacity: look at `hasRoom` for when the next one may come. */
  push(value: T): void {
    if (this.#outcome !== undefined) return;
    this.#values.push(value);
    this.#size += this.#sizeOf(value);
    this.#wake();
  }

  /** No value will follow; the reader gets the error, if any, after those that are there. */
  end(outcome: { error: unknown } | 'end'): void {
    this.#outcome ??= outcome;
    this.#wake();
  }

  /** Until there is room for more values, or nobody wants any. */
  async room(): Promise<void> {
    while (this.#size >= this.#capacity && this.#outcome === undefined) await this.#change();
  }

  /** The next value; `undefined` at the end. */
  async shift(): Promise<T | undefined> {
    for (;;) {
      const value = this.#values.shift();
      if (value !== undefined) {
        this.#size -= this.#sizeOf(value);
        this.#wake();
        return value;
      }
      if (this.#outcome === 'end') return undefined;
      if (this.#outcome !== undefined) throw this.#outcome.error;
      await this.#change();
    }
  }

  #change(): Promise<void> {
    this.#changed ??= Promise.withResolvers();
    return this.#changed.promise;
  }

  #wake(): void {
    this.#changed?.resolve();
    this.#changed = undefined;
  }
}
