/** An event in a journal. */
export interface JournalEntry {
  /** Who wrote it: one name for each writer. */
  source: string;
  /** When it happened. */
  time: Date;
  /** What JSON can hold. */
  event: unknown;
}

/** Longest line, in bytes. */
export const MAX_ENTRY_BYTES = 64 * 1024;

/** Reads a line; `undefined` for one that no journal of ours has. */
export function parseEntry(line: string): JournalEntry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { source, time, event } = value as Record<string, unknown>;
  if (typeof source !== 'string' || typeof time !== 'string') return undefined;
  const moment = new Date(time);
  return Number.isNaN(moment.getTime()) ? undefined : { source, time: moment, event };
}
