import { readJsonFileLog } from '@zlayer/host';
import { InvalidSpecError, type LogChunk, type LogOptions } from '@zlayer/runtime-core';

/** Reads the log of a container, whoever writes it. `ended` says when nothing more will come. */
export async function* readContainerLog(
  path: string,
  ended: Promise<unknown>,
  options: LogOptions,
): AsyncGenerator<LogChunk, void> {
  const { follow = false, tail, cursor, since, until, stdout = true, stderr = true, signal } = options;
  const wanted = { stdout, stderr };
  const range = { since, before: until, signal };
  const begin = cursor === undefined ? undefined : readCursor(cursor);
  const isWhole = stdout && stderr && since === undefined && until === undefined && begin === undefined;
  const from = tail === undefined || isWhole ? { tail, cursor: begin } : await tailOf(tail);
  for await (const entry of readJsonFileLog(path, { ...range, ...from, follow, until: ended })) {
    if (wanted[entry.stream]) yield { ...entry, cursor: String(entry.cursor) };
  }

  /** Where the last entries begin that are wanted. */
  async function tailOf(count: number): Promise<{ cursor: number | undefined }> {
    const last: (number | undefined)[] = [];
    let behind = begin;
    for await (const entry of readJsonFileLog(path, { ...range, cursor: begin })) {
      if (wanted[entry.stream]) last.push(behind);
      if (last.length > count) last.shift();
      behind = entry.cursor;
    }
    return { cursor: last.length > 0 ? last[0] : behind };
  }
}

function readCursor(cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new InvalidSpecError(`${JSON.stringify(cursor)} is not a cursor of this log`, {
    subject: cursor,
    remedy: 'Use the cursor of a chunk that this log has given.',
  });
}
