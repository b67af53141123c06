import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode, fileError } from '../file-error.ts';
import { parseBegin } from './log-entry.ts';

const HEAD_BYTES = 64;
const ATTEMPTS = 20;

/** An open file of a log. */
export interface LogFile {
  file: FileHandle;
  /** Where it begins in the whole log. */
  begin: number;
  /** Its length when it was opened. */
  size: number;
  inode: bigint;
}

/** The name of a file that was rotated `age` times. */
export function rotatedPath(path: string, age: number): string {
  return `${path}.${age}`;
}

/** The files of a log, the oldest first, as they were at one moment. The caller closes them. */
export class LogFiles implements AsyncDisposable {
  readonly list: readonly LogFile[];

  private constructor(list: readonly LogFile[]) {
    this.list = list;
  }

  /** @throws ZlayerError `NOT_FOUND` if there is no such log. */
  static async open(path: string): Promise<LogFiles> {
    for (let attempt = 1; ; attempt += 1) {
      const files = new LogFiles(await openAll(path));
      // A rotation renames several files: what was opened in the midst of one may lack some of them.
      if (isChain(files.list) || attempt === ATTEMPTS) return files;
      await files[Symbol.asyncDispose]();
      await delay(attempt);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.list.map(({ file }) => file.close()));
  }
}

/** Where a file begins in the whole log. */
export async function readBegin(file: FileHandle): Promise<number> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
  return parseBegin(buffer.toString('latin1', 0, bytesRead));
}

async function openAll(path: string): Promise<LogFile[]> {
  const found: LogFile[] = [];
  try {
    // The newest first: a rotation moves files from what is opened towards what will be.
    found.push(await openOne(path));
    for (const name of await rotatedNames(path)) {
      const older = await openOne(join(dirname(path), name)).catch(ignoreMissing);
      if (older === undefined) continue;
      if (found.some(({ inode }) => inode === older.inode)) await older.file.close();
      else found.push(older);
    }
  } catch (error) {
    await Promise.all(found.map(({ file }) => file.close()));
    throw fileError('cannot open the log', path, error);
  }
  const list = found.reverse();
  numberForeign(list);
  return list.sort((a, b) => a.begin - b.begin);
}

async function openOne(path: string): Promise<LogFile> {
  const file = await open(path, 'r');
  try {
    const { size, ino } = await file.stat({ bigint: true });
    return { file, begin: await readBegin(file), size: Number(size), inode: ino };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function rotatedNames(path: string): Promise<string[]> {
  const name = basename(path);
  const age = (entry: string): number => Number(entry.slice(name.length + 1));
  return (await readdir(dirname(path)))
    .filter((entry) => entry.startsWith(`${name}.`) && /^[1-9]\d{0,5}$/.test(entry.slice(name.length + 1)))
    .sort((a, b) => age(a) - age(b));
}

/** Other writers do not say where a file begins: behind the one before. */
function numberForeign(list: LogFile[]): void {
  for (const [index, file] of list.entries()) {
    const older = list[index - 1];
    if (older !== undefined && file.begin === 0) file.begin = older.begin + older.size;
  }
}

function isChain(list: readonly LogFile[]): boolean {
  return list.every((file, index) => {
    const newer = list[index + 1];
    return newer === undefined || file.begin + file.size === newer.begin;
  });
}

function ignoreMissing(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}
