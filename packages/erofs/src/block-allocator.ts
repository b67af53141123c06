/** Gives out runs of blocks, first those that were given back. The same calls give the same blocks. */
export class BlockAllocator {
  /** Runs that were given back: their first blocks by their length. */
  readonly #free = new Map<number, number[]>();
  /** The lengths in `#free`, ascending. */
  readonly #lengths: number[] = [];
  #end: number;

  /** `end` is the first block that is not in use. */
  constructor(end: number) {
    this.#end = end;
  }

  /** The first block behind all that were given out. */
  get end(): number {
    return this.#end;
  }

  allocate(blocks: number): number {
    const index = this.#indexOf(blocks);
    const length = this.#lengths[index];
    if (length === undefined) return this.allocateAtEnd(blocks);
    const runs = this.#free.get(length) ?? [];
    const start = runs.pop() ?? 0;
    if (runs.length === 0) {
      this.#free.delete(length);
      this.#lengths.splice(index, 1);
    }
    if (length > blocks) this.release(start + blocks, length - blocks);
    return start;
  }

  /** Blocks behind everything given out so far. */
  allocateAtEnd(blocks: number): number {
    const start = this.#end;
    this.#end += blocks;
    return start;
  }

  release(start: number, blocks: number): void {
    if (start + blocks === this.#end) {
      this.#end = start;
      return;
    }
    const runs = this.#free.get(blocks);
    if (runs !== undefined) {
      runs.push(start);
      return;
    }
    this.#free.set(blocks, [start]);
    this.#lengths.splice(this.#indexOf(blocks), 0, blocks);
  }

  /** Where the shortest length of at least `blocks` is in `#lengths`. */
  #indexOf(blocks: number): number {
    let low = 0;
    let high = this.#lengths.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#lengths[middle] ?? 0) < blocks) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
