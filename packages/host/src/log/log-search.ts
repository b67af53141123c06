import type { FileHandle } from 'node:fs/promises';
import { LineReader } from './line-reader.ts';
import { MAX_LINE_BYTES, NEWLINE, parseTime } from './log-entry.ts';
import type { LogFile } from './log-files.ts';

const BLOCK_BYTES = 64 * 1024;

/** A place in a log: a file, by its index, and a position in it. */
export interface LogPlace {
  index: number;
  position: number;
}

/** Where the last `count` lines begin, found from the end backwards: a long log costs no more than a short one. */
export async function findTail(files: readonly LogFile[], count: number): Promise<LogPlace> {
  let left = count;
  for (let index = files.length - 1; index >= 0; index -= 1) {
    const { file, size } = files[index] as LogFile;
    if (left <= 0) return { index, position: size };
    const { position, missing } = await tailOfFile(file, size, left);
    if (missing === 0 || index === 0) return { index, position };
    left = missing;
  }
  return { index: 0, position: 0 };
}

/** Where the first entry of a time or later begins. Times are taken to grow along the log. */
export async function findTime(files: readonly LogFile[], time: Date): Promise<LogPlace> {
  for (let index = files.length - 1; index >= 0; index -= 1) {
    const { file, size } = files[index] as LogFile;
    const first = await lineAt(file, size, 0);
    if (index > 0 && first !== undefined && first.time >= time) continue;
    return { index, position: await timeInFile(file, size, time) };
  }
  return { index: 0, position: 0 };
}

async function tailOfFile(
  file: FileHandle,
  size: number,
  count: number,
): Promise<{ position: number; missing: number }> {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  let newlines = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const { bytesRead } = await file.read(block, 0, end - start, start);
    for (let at = bytesRead - 1; at >= 0; at -= 1) {
      if (block[at] !== NEWLINE) continue;
      newlines += 1;
      if (newlines > count) return { position: start + at + 1, missing: 0 };
    }
    end = start;
  }
  return { position: 0, missing: count - newlines };
}

/** Halves the file until the place is between two lines. */
async function timeInFile(file: FileHandle, size: number, time: Date): Promise<number> {
  let low = 0;
  let high = size;
  while (high - low > MAX_LINE_BYTES) {
    const middle = Math.floor((low + high) / 2);
    const line = await lineAt(file, high, middle);
    if (line === undefined || line.time >= time) high = middle;
    else low = line.end;
  }
  for (;;) {
    const line = await lineAt(file, size, low);
    if (line === undefined || line.time >= time) return line?.start ?? size;
    low = line.end;
  }
}

/** The first entry that begins at a position or behind it, and before `limit`. */
async function lineAt(
  file: FileHandle,
  limit: number,
  position: number,
): Promise<{ start: number; end: number; time: Date } | undefined> {
  // From the byte before: a line that begins exactly there counts.
  const lines = new LineReader(file, Math.max(0, position - 1));
  if (position > 0) await lines.next(limit);
  for (let start = lines.position; ; start = lines.position) {
    const line = await lines.next(limit);
    if (line === undefined) return undefined;
    const time = parseTime(line);
    if (time !== undefined) return { start, end: lines.position, time };
  }
}
