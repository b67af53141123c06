import { type FileHandle, link, open, rename, rm, stat } from 'node:fs/promises';
import { errorCode, fileError } from '../file-error.ts';
import { formatBegin, type LogMarker } from './log-entry.ts';
import { readBegin, rotatedPath } from './log-files.ts';
import { recoverLog } from './recover-log.ts';

/** How many rotated files may wait for `sync`; beyond that they are synced before. */
const MAX_RETIRED = 8;
const FIRST_MEMBER = '{';

/** Whole entries that are written at once. */
export interface Batch {
  bytes: Buffer;
  /** Up to where the output is in the log with them. */
  offset: number | undefined;
}

export interface RotatingFileOptions {
  maxBytes: number;
  maxFiles: number;
  run: string | undefined;
}

/**
 * A file that is appended to, and becomes `PATH.1` when it would grow too long, `PATH.1` becomes `PATH.2`, and so on. There is a
 * file at PATH at any time, and it is never empty once it was not. A batch is in one file as a whole.
 */
export class RotatingFile {
  readonly #path: string;
  readonly #options: RotatingFileOptions;
  #file: FileHandle;
  /** Where the file begins in the whole log. */
  #begin: number;
  #size: number;
  /** Something may lie behind `#size` that does not belong there. */
  #torn = false;
  readonly #isRegular: boolean;
  /** Rotated files that the disk may not have yet. */
  readonly #retired: FileHandle[] = [];

  private constructor(
    path: string,
    options: RotatingFileOptions,
    file: { handle: FileHandle; begin: number; size: number; isRegular: boolean },
  ) {
    this.#path = path;
    this.#options = options;
    this.#file = file.handle;
    this.#begin = file.begin;
    this.#size = file.size;
    this.#isRegular = file.isRegular;
  }

  /** Opens or makes it, with what a crash has broken off taken away. */
  static async open(
    path: string,
    options: RotatingFileOptions,
  ): Promise<{ file: RotatingFile; marker: LogMarker | undefined }> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, 'a+', 0o600);
      const isRegular = (await handle.stat()).isFile();
      if (!isRegular) {
        return { file: new RotatingFile(path, options, { handle, begin: 0, size: 0, isRegular }), marker: undefined };
      }
      await undoRotation(path);
      const { size, marker } = await recoverLog(handle, options.run);
      await handle.truncate(size);
      const begin = size > 0 ? await readBegin(handle) : await endOfPrevious(path);
      return { file: new RotatingFile(path, options, { handle, begin, size, isRegular }), marker };
    } catch (error) {
      await handle?.close();
      throw fileError('cannot open the log', path, error);
    }
  }

  /** Appends a batch. If that fails, nothing of it is in the file. */
  async append(bytes: Buffer): Promise<void> {
    try {
      await this.#mend();
      if (this.#isRegular && this.#size > 0 && this.#size + bytes.length > this.#options.maxBytes) {
        await this.#rotate(bytes);
        return;
      }
      const isFirst = this.#size === 0 && this.#begin > 0;
      const all = isFirst ? withBegin(bytes, this.#begin) : bytes;
      this.#torn = true;
      await writeAll(this.#file, all);
      this.#size += all.length;
      this.#torn = false;
    } catch (error) {
      await this.#mend().catch(() => undefined);
      throw fileError('cannot write the log', this.#path, error);
    }
  }

  /** Resolves when the disk has what was appended. */
  async sync(): Promise<void> {
    try {
      const current = this.#file.datasync();
      for (const file of [...this.#retired]) await this.#settle(file);
      await current;
    } catch (error) {
      throw fileError('cannot sync the log', this.#path, error);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#file, ...this.#retired.splice(0)].map((file) => file.close()));
  }

  async #mend(): Promise<void> {
    if (!this.#torn || !this.#isRegular) return;
    await this.#file.truncate(this.#size);
    this.#torn = false;
  }

  /** The new file has its first batch before it takes the place of the old one, so nobody ever sees it without. */
  async #rotate(bytes: Buffer): Promise<void> {
    const begin = this.#begin + this.#size;
    const first = withBegin(bytes, begin);
    const temporary = newPath(this.#path);
    await rm(temporary, { force: true });
    const next = await open(temporary, 'ax+', 0o600);
    try {
      await writeAll(next, first);
      await this.#age();
      await rename(temporary, this.#path);
    } catch (error) {
      await next.close();
      await rm(temporary, { force: true });
      throw error;
    }
    this.#retired.push(this.#file);
    this.#file = next;
    this.#begin = begin;
    this.#size = first.length;
    // What the rotation has removed needs no disk any more.
    while (this.#retired.length >= this.#options.maxFiles) await this.#retired.shift()?.close();
    const oldest = this.#retired.length > MAX_RETIRED ? this.#retired[0] : undefined;
    if (oldest !== undefined) await this.#settle(oldest);
  }

  async #age(): Promise<void> {
    const { maxFiles } = this.#options;
    for (let age = maxFiles - 1; age > 1; age -= 1) {
      await rename(rotatedPath(this.#path, age - 1), rotatedPath(this.#path, age)).catch(ignoreMissing);
    }
    if (maxFiles === 1) return;
    await rm(rotatedPath(this.#path, 1), { force: true });
    await link(this.#path, rotatedPath(this.#path, 1)).catch(async (error: unknown) => {
      // A file system without links: for a moment there is no file at PATH.
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errorCode(error) ?? '')) throw error;
      await rename(this.#path, rotatedPath(this.#path, 1));
    });
  }

  async #settle(file: FileHandle): Promise<void> {
    await file.datasync();
    const index = this.#retired.indexOf(file);
    if (index < 0) return;
    this.#retired.splice(index, 1);
    await file.close();
  }
}

const newPath = (path: string): string => `${path}.new`;

/** Takes back a rotation that was not finished: the present file has a second name already, and the next one waits. */
async function undoRotation(path: string): Promise<void> {
  await rm(newPath(path), { force: true });
  const previous = rotatedPath(path, 1);
  const [current, linked] = await Promise.all([
    stat(path, { bigint: true }),
    stat(previous, { bigint: true }).catch(ignoreMissing),
  ]);
  if (linked?.ino === current.ino) await rm(previous);
}

/** Entries, of which the first says where its file begins. */
function withBegin(entries: Buffer, begin: number): Buffer {
  return Buffer.concat([Buffer.from(formatBegin(begin)), entries.subarray(FIRST_MEMBER.length)]);
}

/** Where an empty file begins, as a power failure can leave one. */
async function endOfPrevious(path: string): Promise<number> {
  const previous = await open(rotatedPath(path, 1), 'r').catch(ignoreMissing);
  if (previous === undefined) return 0;
  await using file = previous;
  return (await readBegin(file)) + (await file.stat()).size;
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, null);
    written += bytesWritten;
  }
}

function ignoreMissing(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}
