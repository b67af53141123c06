import { BLOCK_SIZE, SLOT_SIZE } from './format.ts';

const SLOTS = BLOCK_SIZE / SLOT_SIZE;

/** How far back from the last block there may still be room for another inode. */
export const OPEN_BLOCKS = 64;

interface OpenBlock {
  block: number;
  /** First slot that is free; all behind it are. */
  next: number;
}

/**
 * Finds places for inodes, one after the other, so that none crosses a block without need and little space is lost.
 * Places are within the last `OPEN_BLOCKS` blocks, so who writes them need not hold more.
 */
export class InodePlacement {
  // Slot 0 stays empty: the first inode would have number 0, which programs take for no file at all.
  readonly #open: OpenBlock[] = [{ block: 0, next: 1 }];
  #blocks = 1;

  /** Blocks in use. */
  get blocks(): number {
    return this.#blocks;
  }

  /** The first slot of a place for so many bytes. More than a block's worth begins a block. */
  place(bytes: number): number {
    const slots = Math.ceil(bytes / SLOT_SIZE);
    let best: OpenBlock | undefined;
    for (const candidate of this.#open) {
      if (candidate.next + slots <= SLOTS && (best === undefined || candidate.next > best.next)) best = candidate;
    }
    if (best === undefined) return this.#append(slots);
    const slot = best.block * SLOTS + best.next;
    best.next += slots;
    if (best.next === SLOTS) this.#open.splice(this.#open.indexOf(best), 1);
    return slot;
  }

  #append(slots: number): number {
    const first = this.#blocks;
    this.#blocks += Math.ceil(slots / SLOTS);
    const used = slots % SLOTS;
    if (used > 0) this.#open.push({ block: this.#blocks - 1, next: used });
    while ((this.#open[0]?.block ?? this.#blocks) < this.#blocks - OPEN_BLOCKS) this.#open.shift();
    return first * SLOTS;
  }
}
