import { isUtf8 } from 'node:buffer';
import { ZlayerError } from '@zlayer/runtime-core';
import { EntryBuffer } from './entry-buffer.ts';
import { formatMarker, type LogStream, MAX_LOG_ENTRY_BYTES, NEWLINE } from './log-entry.ts';
import { OutputCoverage } from './output-coverage.ts';
import { type Batch, RotatingFile } from './rotating-file.ts';
import { UnfinishedLine } from './unfinished-line.ts';
import { characterBorder, unfinishedCharacter } from './utf8-border.ts';

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
const DEFAULT_MAX_FILES = 4;
/** Output is divided into pieces of this size, so that a batch does not become much larger than its bound. */
const PIECE_BYTES = 32 * 1024;
const BATCH_BYTES = 1024 * 1024;
/** What waits for a disk that takes nothing; more is refused. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;

export interface JsonFileLogOptions {
  /** A file that would become longer is rotated. Default: 64 MiB. */
  maxBytes?: number | undefined;
  /** How many files there are at most, `container.log` and the rotated `container.log.1`, …. Default: 4. */
  maxFiles?: number | undefined;
  /**
   * Names the run whose output this is, with at most 64 letters, digits, `.`, `_`, `-`. With it, `write` takes offsets,
   * and the log knows how far it has come after a crash. Another run begins at 0 again.
   */
  run?: string | undefined;
}

export interface LogWriteOptions {
  /** When it was received. Default: now. */
  time?: Date | undefined;
  /** Where the chunk's first byte lies in all output of the run, both streams counted together. Needs a `run`. */
  offset?: number | undefined;
}

/**
 * Writes output as Docker's json-file does: a line of JSON per line of output, `{"log":"…\n","stream":"stdout",
 * "time":"…"}`, and more than one for a line beyond 16 KiB, of which only the last ends with the newline.
 *
 * JSON holds text: bytes that are not UTF-8 are recorded as U+FFFD, as Docker does. A line is decoded as a whole, and a
 * long one is divided between characters, so that no chunk's border breaks one.
 *
 * A chunk whose offset says that it is in the log already is not recorded again, so whoever reads a run's output from
 * `offset` on, after a crash or a lost connection, continues the log without a gap and without a repetition.
 */
export class JsonFileLog {
  readonly path: string;
  readonly #file: RotatingFile;
  readonly #coverage: OutputCoverage | undefined;
  readonly #entries = new EntryBuffer();
  readonly #unfinished = { stdout: new UnfinishedLine(), stderr: new UnfinishedLine() };
  #newest: LogStream = 'stdout';
  #queue: Batch[] = [];
  #queuedBytes = 0;
  #written: number | undefined;
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Opens a log to append to it, with mode 0600 if it is new. One writer at a time. What a crash has broken off is
   * dropped.
   *
   * @throws ZlayerError `INTERNAL` with the path, here and from every method.
   */
  static async open(path: string, options: JsonFileLogOptions = {}): Promise<JsonFileLog> {
    const { maxBytes = DEFAULT_MAX_BYTES, maxFiles = DEFAULT_MAX_FILES, run } = options;
    check(path, maxBytes >= 1 && maxFiles >= 1, `maxBytes and maxFiles are at least 1`);
    check(path, run === undefined || /^[\w.-]{1,64}$/.test(run), `${JSON.stringify(run)} is not the name of a run`);
    const { file, marker } = await RotatingFile.open(path, { maxBytes, maxFiles, run });
    const log = new JsonFileLog(path, file, run === undefined ? undefined : (marker ?? { run, offset: 0, ahead: {} }));
    if (run === undefined || marker !== undefined) return log;
    try {
      // From here on entries without a marker behind them are ones that a crash has left.
      log.#entries.add('stdout', new Date().toISOString(), new Uint8Array());
      await log.#flush();
      return log;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  private constructor(
    path: string,
    file: RotatingFile,
    marker: ConstructorParameters<typeof OutputCoverage>[0] | undefined,
  ) {
    this.path = path;
    this.#file = file;
    this.#coverage = marker && new OutputCoverage(marker);
    this.#written = marker?.offset;
  }

  /** Up to where the run's output is in the log's file; from here on it is to be read again. `undefined` without a run. */
  get offset(): number | undefined {
    return this.#written;
  }

  /**
   * Records a chunk of output, in the order of calls. Resolves when the lines that it completes are in the file;
   * whoever waits for that before reading on keeps the memory bounded. An unfinished line waits for its rest, `flush` or
   * `close`.
   *
   * @throws ZlayerError `INTERNAL` if the file cannot be written. The lines are kept then, and the next call tries again.
   *   `UNAVAILABLE` if 8 MiB wait in this way: this chunk was not taken. `CONFLICT` once it is closed.
   */
  async write(stream: LogStream, chunk: Uint8Array, options: LogWriteOptions = {}): Promise<void> {
    this.#checkOpen();
    if (this.#queuedBytes > MAX_WAITING_BYTES) await this.#retry();
    this.#take(stream, chunk, options);
    await this.#flush();
  }

  /**
   * Records unfinished lines too, as Docker does without a newline, and resolves when all is in the file: it survives this
   * process from here on. Only the beginning of a character that is the very last of the output still waits.
   *
   * @returns The new `offset`.
   */
  async flush(): Promise<number | undefined> {
    this.#checkOpen();
    this.#finishLines(true);
    await this.#flush();
    return this.#written;
  }

  /** As `flush`, and resolves when the disk has it: it survives a power failure, too. */
  async sync(): Promise<number | undefined> {
    const offset = await this.flush();
    await this.#file.sync();
    return offset;
  }

  /** Records the unfinished lines, without a newline, and closes the file. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#finishLines(false);
    try {
      await this.#flush();
    } finally {
      await this.#file.close();
    }
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return;
    throw new ZlayerError('CONFLICT', `the log ${this.path} is closed`, { subject: this.path });
  }

  #take(stream: LogStream, chunk: Uint8Array, options: LogWriteOptions): void {
    const time = (options.time ?? new Date()).toISOString();
    const { offset } = options;
    if (offset !== undefined && this.#coverage === undefined) throw new TypeError('a log without a run has no offsets');
    const known = offset === undefined ? 0 : (this.#coverage?.known(stream, chunk, offset) ?? 0);
    for (let start = known; start < chunk.length; start += PIECE_BYTES) {
      const piece = chunk.subarray(start, start + PIECE_BYTES);
      this.#newest = stream;
      if (offset !== undefined) this.#coverage?.take(stream, offset + start + piece.length);
      this.#divide(stream, piece, offset === undefined ? undefined : offset + start, time);
    }
  }

  #divide(stream: LogStream, piece: Uint8Array, offset: number | undefined, time: string): void {
    const line = this.#unfinished[stream];
    const bytes = line.add(piece, offset);
    const valid = isUtf8(bytes.subarray(0, bytes.lastIndexOf(NEWLINE) + 1));
    let start = 0;
    for (;;) {
      const newline = bytes.indexOf(NEWLINE, start);
      const length = (newline < 0 ? bytes.length : newline) - start;
      if (newline < 0 && length <= MAX_LOG_ENTRY_BYTES) break;
      const tooLong = length > MAX_LOG_ENTRY_BYTES;
      const end = tooLong ? characterBorder(bytes, start + MAX_LOG_ENTRY_BYTES) : newline + 1;
      if (valid && !tooLong) this.#entries.add(stream, time, bytes, start, end);
      else this.#record(stream, bytes.subarray(start, end), time);
      start = end;
    }
    line.drop(start);
    if (this.#entries.length >= BATCH_BYTES) this.#seal();
  }

  #record(stream: LogStream, bytes: Buffer, time: string): void {
    this.#entries.add(stream, time, isUtf8(bytes) ? bytes : Buffer.from(bytes.toString('utf8')));
  }

  #finishLines(keepCharacter: boolean): void {
    const time = new Date().toISOString();
    for (const stream of ['stdout', 'stderr'] as const) {
      const line = this.#unfinished[stream];
      const end = keepCharacter && stream === this.#newest ? unfinishedCharacter(line.bytes) : line.bytes.length;
      if (end === 0) continue;
      this.#record(stream, line.bytes.subarray(0, end), time);
      line.drop(end);
    }
  }

  /** Ends a batch: what is written at once, and ends with how far the output is in the log then. */
  #seal(): void {
    if (this.#entries.length === 0) return;
    const marker = this.#coverage?.marker(this.#unfinished);
    if (marker) this.#entries.extend(formatMarker(marker));
    const bytes = this.#entries.take();
    this.#queuedBytes += bytes.length;
    this.#queue.push({ bytes, offset: marker?.offset });
  }

  /** One batch after the other; what comes in meanwhile goes into the next one together. */
  #flush(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    if (this.#entries.length === 0 && this.#queue.length === 0) return this.#writing;
    const write = () => this.#writeQueue();
    this.#next = this.#writing.then(write, write);
    return this.#next;
  }

  async #writeQueue(): Promise<void> {
    this.#writing = this.#next ?? this.#writing;
    this.#next = undefined;
    this.#seal();
    for (let batch = this.#queue[0]; batch !== undefined; batch = this.#queue[0]) {
      await this.#file.append(batch.bytes);
      this.#queue.shift();
      this.#queuedBytes -= batch.bytes.length;
      this.#entries.recycle(batch.bytes);
      this.#written = batch.offset;
    }
  }

  async #retry(): Promise<void> {
    try {
      await this.#flush();
    } catch (cause) {
      throw new ZlayerError('UNAVAILABLE', `the log ${this.path} takes nothing, and too much waits for it`, {
        subject: this.path,
        remedy: 'Make room on its disk.',
        cause,
      });
    }
  }
}

function check(path: string, holds: boolean, problem: string): void {
  if (!holds) throw new ZlayerError('INVALID_SPEC', `cannot open the log ${path}: ${problem}`, { subject: path });
}
