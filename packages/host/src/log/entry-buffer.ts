import type { LogStream } from './log-entry.ts';

const INITIAL_BYTES = 128 * 1024;
/** One is filled while the other is written. */
const MAX_SPARES = 2;
/** The longest escape of a byte, such as \u0000. */
const ESCAPE_BYTES = 6;
const HEAD = Buffer.from('{"log":"');
const TAIL = Buffer.from('}\n');

/** For each byte: 0 if JSON holds it as it is, else the letter of its escape, `u` for those without a letter. */
const ESCAPES = new Uint8Array(256);
for (let byte = 0; byte < 0x20; byte += 1) ESCAPES[byte] = 0x75;
for (const [byte, letter] of ['\bb', '\ff', '\nn', '\rr', '\tt', '""', '\\\\'].map((pair) => Buffer.from(pair))) {
  if (byte !== undefined && letter !== undefined) ESCAPES[byte] = letter;
}
const HEX = Buffer.from('0123456789abcdef');

/** Entries as they are written to a file. They are made byte by byte: strings in between would cost twice the time. */
export class EntryBuffer {
  #bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #length = 0;
  readonly #spares: Buffer[] = [];
  /** What follows the data of an entry, for the last time that was given. */
  #time = '';
  #rest: Record<LogStream, Buffer> = { stdout: TAIL, stderr: TAIL };

  get length(): number {
    return this.#length;
  }

  /** @param data Valid UTF-8, of which the bytes from `start` to `end` are the entry's. */
  add(stream: LogStream, time: string, data: Uint8Array, start = 0, end = data.length): void {
    if (time !== this.#time) {
      this.#time = time;
      for (const name of ['stdout', 'stderr'] as const) {
        this.#rest[name] = Buffer.from(`","stream":"${name}","time":"${time}"}\n`);
      }
    }
    const rest = this.#rest[stream];
    this.#reserve(HEAD.length + (end - start) * ESCAPE_BYTES + rest.length);
    this.#append(HEAD);
    this.#length = escapeInto(this.#bytes, this.#length, data, start, end);
    this.#append(rest);
  }

  /** Adds members to the last entry: text such as `,"a":1`. */
  extend(members: string): void {
    this.#length -= TAIL.length;
    const bytes = Buffer.from(members);
    this.#reserve(bytes.length + TAIL.length);
    this.#append(bytes);
    this.#append(TAIL);
  }

  /** What was added since the last time. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = this.#spares.pop() ?? Buffer.allocUnsafeSlow(INITIAL_BYTES);
    this.#length = 0;
    return taken;
  }

  /** What was taken is not used any more: its memory may be used again. */
  recycle(taken: Buffer): void {
    if (this.#spares.length < MAX_SPARES) this.#spares.push(Buffer.from(taken.buffer));
  }

  #append(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#length + bytes));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Writes a string's bytes as they stand between quotes in JSON; returns the position behind them. */
function escapeInto(target: Uint8Array, position: number, source: Uint8Array, start: number, end: number): number {
  let at = position;
  for (let i = start; i < end; i += 1) {
    const byte = source[i] as number;
    const letter = ESCAPES[byte] as number;
    if (letter === 0) {
      target[at++] = byte;
      continue;
    }
    target[at++] = 0x5c;
    target[at++] = letter;
    if (letter !== 0x75) continue;
    target[at++] = 0x30;
    target[at++] = 0x30;
    target[at++] = HEX[byte >> 4] as number;
    target[at++] = HEX[byte & 15] as number;
  }
  return at;
}
