import { isRecord } from '../host-status.ts';

export type LogStream = 'stdout' | 'stderr';

/** Docker's bound: what a line has beyond it becomes a further entry. */
export const MAX_LOG_ENTRY_BYTES = 16 * 1024;
/** 16 KiB of output, each byte as a six-byte escape, and the rest of the line. A longer line is not ours. */
export const MAX_LINE_BYTES = 256 * 1024;
export const NEWLINE = 0x0a;

/** A line of output with its newline, a part of a long line, or an unfinished last line. */
export interface LogEntry {
  stream: LogStream;
  data: Uint8Array;
  time: Date;
  /** Where the next entry begins, for the option `cursor`: bytes of log since its very beginning. */
  cursor: number;
}

/** What an entry says besides: up to where a run's output is in the log. */
export interface LogMarker {
  run: string;
  /** All output of the run before this offset is in the log. */
  offset: number;
  /** Per stream, where its output is in the log beyond `offset`. */
  ahead: Partial<Record<LogStream, number>>;
}

/** Reads a line of a log; `undefined` for what is no entry, and for one that holds nothing but a marker. */
export function parseEntry(line: Buffer, cursor: number): LogEntry | undefined {
  const value = parseLine(line);
  if (value === undefined) return undefined;
  const { log, stream } = value;
  const time = timeOf(value);
  if (typeof log !== 'string' || log === '' || (stream !== 'stdout' && stream !== 'stderr')) return undefined;
  return time && { stream, data: Buffer.from(log, 'utf8'), time, cursor };
}

/** When a line was received; `undefined` if it is no entry. */
export function parseTime(line: Buffer): Date | undefined {
  const value = parseLine(line);
  return value && timeOf(value);
}

/** The marker of a run in a line, if it has one. */
export function parseMarker(line: Buffer, run: string): LogMarker | undefined {
  // The longer half of all lines needs no parsing.
  if (!line.includes('"run":')) return undefined;
  const value = parseLine(line);
  const marker = value?.['marker'];
  if (!isRecord(marker) || marker['run'] !== run || !isOffset(marker['offset'])) return undefined;
  const ahead: LogMarker['ahead'] = {};
  for (const stream of ['stdout', 'stderr'] as const) {
    const offset = marker[stream];
    if (isOffset(offset)) ahead[stream] = offset;
  }
  return { run, offset: marker['offset'], ahead };
}

/** What a marker adds to an entry. */
export function formatMarker({ run, offset, ahead }: LogMarker): string {
  return `,"marker":${JSON.stringify({ run, offset, ...ahead })}`;
}

const BEGIN = /^\{"begin":(\d{1,16}),/;

/** Where a file begins in the whole log, which its first entry says unless it is 0. */
export function parseBegin(head: string): number {
  const begin = Number(BEGIN.exec(head)?.[1] ?? 0);
  return Number.isSafeInteger(begin) ? begin : 0;
}

export function formatBegin(begin: number): string {
  return `{"begin":${begin},`;
}

function parseLine(line: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function timeOf({ time }: Record<string, unknown>): Date | undefined {
  if (typeof time !== 'string') return undefined;
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
