import type { FileHandle } from 'node:fs/promises';
import { type LogMarker, NEWLINE, parseMarker } from './log-entry.ts';

/** What is written at once is shorter than this, and ends with a marker. */
export const MAX_BATCH_BYTES = 4 * 1024 * 1024;
const BLOCK_BYTES = 64 * 1024;

export interface RecoveredLog {
  /** Up to where the file is sound. */
  size: number;
  /** The run's last marker. */
  marker: LogMarker | undefined;
}

/**
 * Finds out what a writer that may have been killed has left: a last line that was broken off is dropped, and so are
 * entries behind a run's last marker, which the run's output brings again.
 */
export async function recoverLog(file: FileHandle, run: string | undefined): Promise<RecoveredLog> {
  const size = await lastLineEnd(file, (await file.stat()).size);
  if (run === undefined) return { size, marker: undefined };
  const limit = Math.max(0, size - MAX_BATCH_BYTES);
  for (let end = size; end > limit; ) {
    const start = await lastLineEnd(file, end - 1);
    const line = Buffer.alloc(end - start - 1);
    await file.read(line, 0, line.length, start);
    const marker = parseMarker(line, run);
    if (marker !== undefined) return { size: end, marker };
    end = start;
  }
  return { size, marker: undefined };
}

/** The end of the last line that ends at or before a position. */
async function lastLineEnd(file: FileHandle, position: number): Promise<number> {
  const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, Math.max(position, 1)));
  for (let end = position; end > 0; ) {
    const start = Math.max(0, end - block.length);
    const { bytesRead } = await file.read(block, 0, end - start, start);
    const newline = block.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (newline >= 0) return start + newline + 1;
    end = start;
  }
  return 0;
}
