import { stat } from 'node:fs/promises';
import { ZlayerError } from '@zlayer/runtime-core';
import { Growth } from './growth.ts';
import { LineReader } from './line-reader.ts';
import { type LogEntry, parseEntry } from './log-entry.ts';
import { type LogFile, LogFiles } from './log-files.ts';
import { findTail, findTime, type LogPlace } from './log-search.ts';

export interface ReadLogOptions {
  /** Begin that many entries before the end. Default: at `cursor`. */
  tail?: number | undefined;
  /** Begin behind the entry with this cursor. Default: the oldest entry that there is. */
  cursor?: number | undefined;
  /** Begin with the first entry of this time or later, if that is later than where reading would begin. */
  since?: Date | undefined;
  /** End before the first entry of this time or later. */
  before?: Date | undefined;
  /** Go on as the log grows. Default: `false`, which ends at the end that the log has when reading begins. */
  follow?: boolean | undefined;
  /** Once this is settled the log will not grow any more: following ends at its end. Default: never. */
  until?: Promise<unknown> | undefined;
  /** Ends reading by throwing the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * Reads a json-file log with its rotated files, also while it is being written and rotated. Lines that are not entries, such
 * as one that a crash broke off, are skipped; a last line without its end is read once it has one. Where to begin by `tail`
 * or `since` is searched for, not read up to.
 *
 * @throws ZlayerError `NOT_FOUND` if there is no such log, or not any more what lies behind the cursor: a rotation has
 *   removed it, which can also happen to a follower that reads too slowly.
 */
export async function* readJsonFileLog(path: string, options: ReadLogOptions = {}): AsyncGenerator<LogEntry, void> {
  const { follow = false, before, until, signal } = options;
  signal?.throwIfAborted();
  // The watch begins before the first read, or what is written in between wakes nobody.
  using growth = follow ? await watchGrowth(path, until, signal) : undefined;
  let files = await LogFiles.open(path);
  try {
    let { index, position } = await findBeginning(path, files.list, options);
    for (;;) {
      const current = files.list[index] as LogFile;
      const newest = index === files.list.length - 1;
      const limit = follow || !newest ? Number.POSITIVE_INFINITY : current.size;
      const lines = new LineReader(current.file, position);
      for (;;) {
        const last = growth === undefined || growth.finished;
        const rotated = newest && follow && (await isRotated(path, current));
        for (let line = await lines.next(limit); line !== undefined; line = await lines.next(limit)) {
          signal?.throwIfAborted();
          const entry = parseEntry(line, current.begin + lines.position);
          if (entry !== undefined && before !== undefined && entry.time >= before) return;
          if (entry !== undefined) yield entry;
          signal?.throwIfAborted();
        }
        if (rotated) {
          const cursor = current.begin + lines.position;
          await files[Symbol.asyncDispose]();
          growth?.renew();
          files = await LogFiles.open(path);
          ({ index, position } = placeOf(path, files.list, cursor));
          break;
        }
        if (!newest) {
          index += 1;
          position = 0;
          break;
        }
        if (last) return;
        await growth?.next();
        signal?.throwIfAborted();
      }
    }
  } finally {
    await files[Symbol.asyncDispose]();
  }
}

async function watchGrowth(
  path: string,
  until: Promise<unknown> | undefined,
  signal: AbortSignal | undefined,
): Promise<Growth> {
  // A missing log is reported in the same words as without following.
  await (await LogFiles.open(path))[Symbol.asyncDispose]();
  return new Growth(path, until, signal);
}

async function findBeginning(path: string, files: readonly LogFile[], options: ReadLogOptions): Promise<LogPlace> {
  const { tail, cursor, since } = options;
  let place: LogPlace = { index: 0, position: 0 };
  if (tail !== undefined) place = await findTail(files, tail);
  else if (cursor !== undefined) place = placeOf(path, files, cursor);
  if (since === undefined) return place;
  const first = await findTime(files, since);
  const isLater = first.index > place.index || (first.index === place.index && first.position > place.position);
  return isLater ? first : place;
}

function placeOf(path: string, files: readonly LogFile[], cursor: number): LogPlace {
  const index = files.findLastIndex(({ begin }) => begin <= cursor);
  const file = files[index];
  // Behind the end of a file that is not the last one, there was something that is gone.
  if (file !== undefined && cursor <= file.begin + file.size) return { index, position: cursor - file.begin };
  throw new ZlayerError('NOT_FOUND', `the log ${path} does not have what lies behind the cursor ${cursor} any more`, {
    subject: path,
    remedy: 'Read it without a cursor, or let it keep more or larger files.',
  });
}

/** Whether something else lies at the path now. What is read from the file afterwards is all it will ever have. */
async function isRotated(path: string, { inode }: LogFile): Promise<boolean> {
  const { ino } = await stat(path, { bigint: true }).catch(() => ({ ino: inode }));
  return ino !== inode;
}
