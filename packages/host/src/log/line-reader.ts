import type { FileHandle } from 'node:fs/promises';
import { MAX_LINE_BYTES, NEWLINE } from './log-entry.ts';

const BLOCK_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);

/** Takes whole lines out of a file that may still grow. */
export class LineReader {
  readonly #file: FileHandle;
  #held: Buffer = NOTHING;
  #readAt: number;
  #skipping = false;
  /** Behind the last line that was returned. */
  position: number;

  constructor(file: FileHandle, position: number) {
    this.#file = file;
    this.#readAt = position;
    this.position = position;
  }

  /** The next line without its newline, or `undefined` if there is none before `limit` yet. */
  async next(limit: number): Promise<Buffer | undefined> {
    let searched = 0;
    for (;;) {
      const newline = this.#held.indexOf(NEWLINE, searched);
      if (newline >= 0) {
        const line = this.#held.subarray(0, newline);
        this.#held = this.#held.subarray(newline + 1);
        this.position = this.#readAt - this.#held.length;
        searched = 0;
        if (!this.#skipping) return line;
        this.#skipping = false;
        continue;
      }
      if (this.#held.length > MAX_LINE_BYTES) {
        this.#held = NOTHING;
        this.#skipping = true;
      }
      searched = this.#held.length;
      const want = Math.min(BLOCK_BYTES, limit - this.#readAt);
      const block = want <= 0 ? NOTHING : await this.#read(want);
      if (block.length === 0) {
        await this.#stepBack();
        return undefined;
      }
      this.#held = this.#held.length === 0 ? block : Buffer.concat([this.#held, block]);
    }
  }

  async #read(want: number): Promise<Buffer> {
    const { buffer, bytesRead } = await this.#file.read(Buffer.allocUnsafe(want), 0, want, this.#readAt);
    this.#readAt += bytesRead;
    return buffer.subarray(0, bytesRead);
  }

  /** What has no end yet is read again later: its writer may die and the next one take it back. */
  async #stepBack(): Promise<void> {
    if (this.#skipping) return;
    const { size } = await this.#file.stat();
    this.position = Math.min(this.position, size);
    this.#held = NOTHING;
    this.#readAt = this.position;
  }
}
