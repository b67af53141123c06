import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { fileError } from './file-error.ts';
import { isRecord } from './host-status.ts';
import type { LogStream } from './json-file-log.ts';

const BLOCK_BYTES = 64 * 1024;
/** 16 KiB of output, each byte as a six-byte escape, and the rest of the line. A longer line is not ours. */
const MAX_LINE_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/** A line of output with its newline, a part of a long line, or an unfinished last line. */
export interface LogEntry {
  stream: LogStream;
  data: Uint8Array;
  time: Date;
  /** Where the next entry begins, for the option `cursor`. */
  cursor: number;
}

export interface ReadLogOptions {
  /** Begin that many entries before the end. Default: at `cursor`. */
  tail?: number | undefined;
  /** Begin behind the entry with this cursor. Default: 0, the log's beginning. */
  cursor?: number | undefined;
  /** Go on as the log grows. Default: `false`, which ends at the end that the log has when reading begins. */
  follow?: boolean | undefined;
  /** Once this is settled the log will not grow any more: following ends at its end. Default: never. */
  until?: Promise<unknown> | undefined;
  /** Ends reading by throwing the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * Reads a json-file log, also while it is being written. Lines that are not entries, such as one that a crash broke
 * off, are skipped; a last line without its end is read once it has one.
 *
 * @throws ZlayerError `NOT_FOUND` if there is no such log.
 */
export async function* readJsonFileLog(path: string, options: ReadLogOptions = {}): AsyncGenerator<LogEntry, void> {
  const { tail, follow = false, until, signal } = options;
  signal?.throwIfAborted();
  await using file = await open(path, 'r').catch((cause: unknown) => {
    throw fileError('cannot open the log', path, cause);
  });
  // The watch begins before the first read, or what is written in between wakes nobody.
  using growth = follow ? new Growth(path, until, signal) : undefined;
  const { size } = await file.stat();
  const limit = follow ? Number.POSITIVE_INFINITY : size;
  const lines = new LineReader(file, tail === undefined ? (options.cursor ?? 0) : await tailStart(file, size, tail));
  for (;;) {
    const last = growth === undefined || growth.finished;
    for (let line = await lines.next(limit); line !== undefined; line = await lines.next(limit)) {
      signal?.throwIfAborted();
      const entry = parseEntry(line, lines.position);
      if (entry !== undefined) yield entry;
      signal?.throwIfAborted();
    }
    if (last) return;
    await growth?.next();
    signal?.throwIfAborted();
  }
}

/** Tells when a file may have grown. */
class Growth implements Disposable {
  readonly #watcher: FSWatcher;
  readonly #stop = new AbortController();
  #happened = false;
  #wake: (() => void) | undefined;
  finished = false;

  constructor(path: string, until: Promise<unknown> | undefined, signal: AbortSignal | undefined) {
    const notice = () => this.#notice();
    this.#watcher = watch(path, notice);
    this.#watcher.on('error', notice);
    const finish = () => {
      this.finished = true;
      notice();
    };
    until?.then(finish, finish);
    signal?.addEventListener('abort', notice, { signal: this.#stop.signal });
  }

  async next(): Promise<void> {
    if (!this.#happened) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#happened = false;
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#watcher.close();
  }

  #notice(): void {
    this.#happened = true;
    this.#wake?.();
  }
}

/** Takes whole lines out of a file that may still grow. */
class LineReader {
  readonly #file: FileHandle;
  #held: Buffer = Buffer.alloc(0);
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
        this.#held = Buffer.alloc(0);
        this.#skipping = true;
      }
      searched = this.#held.length;
      const want = Math.min(BLOCK_BYTES, limit - this.#readAt);
      if (want <= 0) return undefined;
      const { buffer, bytesRead } = await this.#file.read(Buffer.allocUnsafe(want), 0, want, this.#readAt);
      if (bytesRead === 0) return undefined;
      this.#readAt += bytesRead;
      this.#held = Buffer.concat([this.#held, buffer.subarray(0, bytesRead)]);
    }
  }
}

/** Where the last `count` lines begin, found from the end backwards: a long log costs no more than a short one. */
async function tailStart(file: FileHandle, size: number, count: number): Promise<number> {
  if (count <= 0) return size;
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  let newlines = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const { bytesRead } = await file.read(block, 0, end - start, start);
    for (let i = bytesRead - 1; i >= 0; i -= 1) {
      if (block[i] !== NEWLINE) continue;
      newlines += 1;
      if (newlines > count) return start + i + 1;
    }
    end = start;
  }
  return 0;
}

function parseEntry(line: Buffer, cursor: number): LogEntry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { log, stream, time } = value;
  if (typeof log !== 'string' || (stream !== 'stdout' && stream !== 'stderr') || typeof time !== 'string') {
    return undefined;
  }
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return undefined;
  return { stream, data: Buffer.from(log, 'utf8'), time: date, cursor };
}
