type Numbers = Uint16Array | Uint32Array | Float64Array;

const FIRST_LENGTH = 256;

/** One number for each inode, outside of the collected heap; it grows as it is written. What was not set is 0. */
export class Column {
  readonly #make: (length: number) => Numbers;
  #values: Numbers;

  constructor(make: (length: number) => Numbers) {
    this.#make = make;
    this.#values = make(FIRST_LENGTH);
  }

  get(index: number): number {
    return this.#values[index] ?? 0;
  }

  set(index: number, value: number): void {
    if (index >= this.#values.length) {
      const grown = this.#make(Math.max(index + 1, Math.ceil(this.#values.length * 1.5)));
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[index] = value;
  }

  static u16(): Column {
    return new Column((length) => new Uint16Array(length));
  }

  static u32(): Column {
    return new Column((length) => new Uint32Array(length));
  }

  /** Whole numbers up to 2⁵³. */
  static wide(): Column {
    return new Column((length) => new Float64Array(length));
  }
}
