import type { PullProgress } from '@zlayer/runtime-core';
import { formatBytes } from './format/bytes.ts';

type BlobProgress = Extract<PullProgress, { type: 'blob' }>;

/** The part of a terminal or a file that the display writes to. */
export interface DisplayTarget {
  isTTY?: boolean | undefined;
  columns?: number | undefined;
  write(text: string): unknown;
}

const REDRAW_MS = 80;

/**
 * Shows a pull or a push: on a terminal one line for each layer, drawn again as it grows; elsewhere one plain line for each
 * layer that has arrived. What is there already is not mentioned.
 */
export class TransferDisplay implements Disposable {
  readonly #title: string;
  readonly #target: DisplayTarget | undefined;
  readonly #blobs = new Map<string, BlobProgress>();
  #drawnLines = 0;
  #drawnAt = 0;
  #announced = false;

  /** `title` is said when there is something to show. Without a target nothing is. */
  constructor(title: string, target: DisplayTarget | undefined) {
    this.#title = title;
    this.#target = target;
  }

  show(progress: PullProgress): void {
    if (!this.#target || progress.type !== 'blob' || progress.state === 'exists' || progress.state === 'waiting')
      return;
    if (!this.#announced) this.#target.write(`${this.#title}\n`);
    this.#announced = true;
    this.#blobs.set(progress.digest, progress);
    if (this.#target.isTTY) this.#draw(false);
    else if (progress.state === 'done') this.#target.write(`${describe(progress)}\n`);
  }

  /** Draws the final state, on a terminal. */
  [Symbol.dispose](): void {
    if (this.#target?.isTTY && this.#blobs.size > 0) this.#draw(true);
    this.#blobs.clear();
  }

  #draw(isLast: boolean): void {
    const now = performance.now();
    if (!this.#target || (!isLast && now - this.#drawnAt < REDRAW_MS)) return;
    this.#drawnAt = now;
    // A terminal that does not know its width says 0.
    const width = this.#target.columns || 80;
    const lines = [...this.#blobs.values()].map((blob) => `\r\x1b[2K${describe(blob).slice(0, width - 1)}\n`);
    const up = this.#drawnLines > 0 ? `\x1b[${this.#drawnLines}A` : '';
    this.#target.write(up + lines.join(''));
    this.#drawnLines = lines.length;
  }
}

function describe({ digest, state, bytes, total }: BlobProgress): string {
  const name = digest.replace(/^[a-z0-9]+:/, '').slice(0, 12);
  if (state === 'done') return `${name}  ${formatBytes(total)}`;
  const percent = total > 0 ? Math.floor((100 * bytes) / total) : 100;
  return `${name}  ${formatBytes(bytes)} of ${formatBytes(total)} (${percent} %)`;
}
