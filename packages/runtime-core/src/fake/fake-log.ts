import { abortable } from '../abortable.ts';
import { InvalidSpecError } from '../errors.ts';
import type { LogChunk, LogOptions, OutputChunk } from '../output.ts';
import { Pulse } from './pulse.ts';

/** A line without an end is recorded in parts of this many bytes. */
const MAX_PART = 16 * 1024;
const NEWLINE = 10;

/** The recorded output of one container, cut into lines. */
export class FakeLog {
  readonly #chunks: LogChunk[] = [];
  readonly #partial = new Map<OutputChunk['stream'], Buffer>();
  readonly #change = new Pulse();

  append({ stream, data }: OutputChunk): void {
    let rest = Buffer.concat([this.#partial.get(stream) ?? Buffer.alloc(0), data]);
    for (;;) {
      const newline = rest.subarray(0, MAX_PART).indexOf(NEWLINE);
      if (newline < 0 && rest.byteLength < MAX_PART) break;
      const length = newline < 0 ? MAX_PART : newline + 1;
      this.#record(stream, rest.subarray(0, length));
      rest = rest.subarray(length);
    }
    this.#partial.set(stream, Buffer.from(rest));
    this.#change.beat();
  }

  /** The container has ended: what has no newline yet is a line too. */
  flush(): void {
    for (const [stream, data] of this.#partial) if (data.byteLength > 0) this.#record(stream, data);
    this.#partial.clear();
    this.#change.beat();
  }

  /** Wakes the followers, who look whether the container has ended. */
  wake(): void {
    this.#change.beat();
  }

  async *read(options: LogOptions, hasEnded: () => boolean): AsyncGenerator<LogChunk, void> {
    options.signal?.throwIfAborted();
    const { follow = false, tail, cursor, since, until, stdout = true, stderr = true, signal } = options;
    const wanted = ({ stream, time }: LogChunk): boolean =>
      (stream === 'stdout' ? stdout : stderr) && (since === undefined || time >= since);
    let next = cursor === undefined ? 0 : readCursor(cursor);
    if (tail !== undefined) {
      const left = this.#chunks
        .map((chunk, index) => ({ chunk, index }))
        .slice(next)
        .filter(({ chunk }) => wanted(chunk) && (until === undefined || chunk.time < until));
      next = left.at(-tail)?.index ?? next;
      if (tail === 0) next = this.#chunks.length;
    }
    for (;;) {
      signal?.throwIfAborted();
      // Asked first: what comes in between is read before the end is believed.
      const ended = hasEnded();
      const chunk = this.#chunks[next];
      if (chunk === undefined) {
        if (!follow || ended) return;
        await abortable(this.#change.wait(), signal);
        continue;
      }
      next += 1;
      if (until !== undefined && chunk.time >= until) return;
      if (wanted(chunk)) yield chunk;
    }
  }

  #record(stream: OutputChunk['stream'], data: Uint8Array): void {
    this.#chunks.push({
      stream,
      data: Uint8Array.from(data),
      time: new Date(),
      cursor: String(this.#chunks.length + 1),
    });
  }
}

function readCursor(cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new InvalidSpecError(`${JSON.stringify(cursor)} is not a cursor of this log`, { subject: cursor });
}
