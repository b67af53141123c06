import { EntryError } from './rootfs-path.ts';

/** Bounds what an image may unpack to, so that a small download cannot fill a disk. */
export interface UnpackLimits {
  /** Bytes of all layers, uncompressed. Default: 64 GiB. */
  maximumBytes?: number | undefined;
  /** Entries of all layers, with the directories that they imply. Default: 1 000 000. */
  maximumEntries?: number | undefined;
  /**
   * Uncompressed bytes of a layer for each compressed one, beyond the first 64 MiB. Default: 1000, about what gzip makes
   * of nothing but zeros; zstd makes thirty times as much of them.
   */
  maximumRatio?: number | undefined;
}

/** Bytes of a layer that any ratio may have: small layers of zeros harm nobody. */
const freeOfRatio = 64 * 1024 ** 2;

/** Names are what memory is needed for. Real images of a million entries stay well below. */
const maximumNameBytes = 256 * 1024 * 1024;

/** Counts down to the limits of one image. */
export class UnpackBudget {
  readonly #maximumBytes: number;
  readonly #maximumEntries: number;
  readonly #maximumRatio: number;
  #bytes = 0;
  #entries = 0;
  #nameBytes = 0;

  constructor({ maximumBytes = 64 * 1024 ** 3, maximumEntries = 1_000_000, maximumRatio = 1000 }: UnpackLimits = {}) {
    this.#maximumBytes = maximumBytes;
    this.#maximumEntries = maximumEntries;
    this.#maximumRatio = maximumRatio;
  }

  /** @param compressed Bytes of an archive so far, and what became of them. */
  checkRatio(compressed: number, uncompressed: number): void {
    if (uncompressed <= freeOfRatio + compressed * this.#maximumRatio) return;
    const times = Math.round(uncompressed / Math.max(1, compressed));
    throw new EntryError(
      'LIMIT_EXCEEDED',
      `the archive unpacks to ${times} times its size, more than ${this.#maximumRatio} times`,
    );
  }

  spendBytes(count: number): void {
    this.#bytes += count;
    if (this.#bytes > this.#maximumBytes) {
      throw new EntryError('LIMIT_EXCEEDED', `the image unpacks to more than ${this.#maximumBytes} bytes`);
    }
  }

  spendEntry(path: string): void {
    this.#nameBytes += path.length;
    if (this.#nameBytes > maximumNameBytes) {
      throw new EntryError(
        'LIMIT_EXCEEDED',
        `the names in the image are longer than ${maximumNameBytes} bytes together`,
      );
    }
    if (++this.#entries > this.#maximumEntries) {
      throw new EntryError('LIMIT_EXCEEDED', `the image has more than ${this.#maximumEntries} entries`);
    }
  }
}
