import { type FileHandle, open } from 'node:fs/promises';
import { ZlayerError } from '@zlayer/runtime-core';
import { fileError } from './file-error.ts';

/** Docker's bound: what a line has beyond it becomes a further entry. */
export const MAX_LOG_ENTRY_BYTES = 16 * 1024;

const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);

export type LogStream = 'stdout' | 'stderr';

/**
 * Writes output as Docker's json-file does: a line of JSON per line of output, `{"log":"…\n","stream":"stdout",
 * "time":"…"}`, and more than one for a line beyond 16 KiB, of which only the last ends with the newline.
 *
 * JSON holds text: bytes that are not UTF-8 are recorded as U+FFFD, as Docker does. A line is decoded as a whole, and a
 * long one is divided between characters, so that no chunk's border breaks one.
 */
export class JsonFileLog {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #unfinished: Record<LogStream, Buffer> = { stdout: NOTHING, stderr: NOTHING };
  #pending: string[] = [];
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #torn: boolean;
  #closed = false;

  /**
   * Opens a log to append to it, with mode 0600 if it is new. One writer at a time.
   *
   * @throws ZlayerError `INTERNAL` with the path, here and from `write` and `close`.
   */
  static async open(path: string): Promise<JsonFileLog> {
    const file = await open(path, 'a+', 0o600).catch((cause: unknown) => {
      throw fileError('cannot open the log', path, cause);
    });
    try {
      return new JsonFileLog(path, file, await endsInsideLine(file));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  private constructor(path: string, file: FileHandle, torn: boolean) {
    this.path = path;
    this.#file = file;
    this.#torn = torn;
  }

  /**
   * Records a chunk of output, in the order of calls. Resolves when the lines that it completes are in the file;
   * whoever waits for that before reading on keeps the memory bounded. An unfinished line waits for its rest or for `close`.
   *
   * @param time Default: now.
   */
  write(stream: LogStream, chunk: Uint8Array, time: Date = new Date()): Promise<void> {
    if (this.#closed)
      return Promise.reject(new ZlayerError('CONFLICT', `the log ${this.path} is closed`, { subject: this.path }));
    this.#divide(stream, chunk, time.toISOString());
    return this.#flush();
  }

  /** Records the unfinished lines, without a newline, and closes the file. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const time = new Date().toISOString();
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.#unfinished[stream].length > 0) this.#record(stream, this.#unfinished[stream], time);
    }
    try {
      await this.#flush();
    } finally {
      await this.#file.close();
    }
  }

  #divide(stream: LogStream, chunk: Uint8Array, time: string): void {
    let rest = Buffer.concat([this.#unfinished[stream], chunk]);
    for (;;) {
      const newline = rest.indexOf(NEWLINE);
      const length = newline < 0 ? rest.length : newline;
      if (newline < 0 && length <= MAX_LOG_ENTRY_BYTES) break;
      const end = length > MAX_LOG_ENTRY_BYTES ? characterBorder(rest, MAX_LOG_ENTRY_BYTES) : newline + 1;
      this.#record(stream, rest.subarray(0, end), time);
      rest = rest.subarray(end);
    }
    // A copy, so that a few bytes do not hold on to a large chunk.
    this.#unfinished[stream] = rest.length === 0 ? NOTHING : Buffer.from(rest);
  }

  #record(stream: LogStream, bytes: Buffer, time: string): void {
    this.#pending.push(`{"log":${JSON.stringify(bytes.toString('utf8'))},"stream":"${stream}","time":"${time}"}\n`);
  }

  /** One append at a time; what comes in meanwhile goes into the next one together. */
  #flush(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    if (this.#pending.length === 0) return this.#writing;
    const write = () => this.#append();
    const next = this.#writing.then(write, write);
    this.#next = next;
    return next;
  }

  async #append(): Promise<void> {
    this.#writing = this.#next ?? this.#writing;
    this.#next = undefined;
    const text = this.#pending.join('');
    this.#pending = [];
    // What a crash or a full disk broke off is ended, so that it costs no line but its own.
    const prefix = this.#torn ? '\n' : '';
    this.#torn = true;
    await this.#file.appendFile(prefix + text).catch((cause: unknown) => {
      throw fileError('cannot write the log', this.path, cause);
    });
    this.#torn = false;
  }
}

/** The last border between characters at or before `at`; `at` itself in bytes that are not UTF-8. */
function characterBorder(bytes: Buffer, at: number): number {
  for (let border = at; border > at - 4; border -= 1) {
    if (((bytes[border] ?? 0) & 0xc0) !== 0x80) return border;
  }
  return at;
}

async function endsInsideLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const { buffer, bytesRead } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return bytesRead === 1 && buffer[0] !== NEWLINE;
}
