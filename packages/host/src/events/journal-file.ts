import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { errorCode } from '../file-error.ts';
import { type JournalEntry, MAX_ENTRY_BYTES, parseEntry } from './journal-entry.ts';

/** Names of the files in a journal's folder. */
export const CURRENT = 'events.jsonl';
export const PREVIOUS = 'events.1.jsonl';

const PIECE_BYTES = 64 * 1024;

/** One file of a journal, read from a place in it on, as far as it is written. */
export class JournalFile implements Disposable {
  readonly #descriptor: number;
  readonly #piece = Buffer.allocUnsafe(PIECE_BYTES);
  readonly #decoder = new StringDecoder('utf8');
  #offset: number;
  #rest = '';
  /** The rest of a line that is too long is passed over. */
  #isSkipping = false;

  private constructor(descriptor: number, offset: number) {
    this.#descriptor = descriptor;
    this.#offset = offset;
  }

  /** Opens a file at its beginning or its end, at once; `undefined` when it is not there. */
  static open(path: string, at: 'beginning' | 'end'): JournalFile | undefined {
    let descriptor: number;
    try {
      descriptor = openSync(path, 'r');
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    return new JournalFile(descriptor, at === 'end' ? fstatSync(descriptor).size : 0);
  }

  isSame(other: JournalFile): boolean {
    const [one, two] = [fstatSync(this.#descriptor), fstatSync(other.#descriptor)];
    return one.ino === two.ino && one.dev === two.dev;
  }

  /** What was written since the last time. A line that is not whole yet waits for the next time. */
  *entries(): Generator<JournalEntry, void> {
    for (;;) {
      const count = readSync(this.#descriptor, this.#piece, 0, PIECE_BYTES, this.#offset);
      if (count === 0) return;
      this.#offset += count;
      const lines = (this.#rest + this.#decoder.write(this.#piece.subarray(0, count))).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) {
        const entry = this.#isSkipping ? undefined : parseEntry(line);
        this.#isSkipping = false;
        if (entry) yield entry;
      }
      if (this.#rest.length <= MAX_ENTRY_BYTES) continue;
      this.#rest = '';
      this.#isSkipping = true;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}
