import type { ByteString } from './byte-string.ts';

/** What of an image could not be brought to disk. */
export interface UnpackLosses {
  /** Entries that belong to another user than in the image: only root may give files away. */
  readonly owners: number;
  /** Extended attributes that were left out: Node.js cannot set them. File capabilities are among them. */
  readonly xattrs: number;
  /** Device nodes that were left out: only root may make them. */
  readonly devices: number;
  /** Some of the paths concerned. */
  readonly examples: readonly string[];
}

const maximumExamples = 20;

export class LossRecorder {
  readonly #counts = { owners: 0, xattrs: 0, devices: 0 };
  readonly #examples = new Set<string>();

  add(kind: 'owners' | 'xattrs' | 'devices', path: ByteString, count = 1): void {
    this.#counts[kind] += count;
    if (this.#examples.size < maximumExamples) this.#examples.add(Buffer.from(path, 'latin1').toString('utf8'));
  }

  get losses(): UnpackLosses {
    return { ...this.#counts, examples: [...this.#examples] };
  }
}
