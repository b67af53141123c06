import type { Violation } from './violation.ts';

const REPORT =
  /^(?:(\d{1,9}) duplicate reports? for )?Sandbox: (.{1,256}?)\((\d{1,9})\) deny\(\d+\) ([a-z][a-z0-9*-]{0,63})(?: (.*))?$/s;

/**
 * Reads a line of `log stream --style ndjson`.
 *
 * Programs choose the paths that are logged, line ends included: the tag is what the message ends with, after the last
 * of its line ends, and is not looked for elsewhere.
 *
 * @returns nothing for lines that tell of no denial under a profile with this tag.
 */
export function parseViolation(line: string, tag: string): Violation | undefined {
  const entry = parseEntry(line);
  const message = entry?.['eventMessage'];
  const suffix = `\n${tag}`;
  if (typeof message !== 'string' || !message.endsWith(suffix)) return undefined;
  const match = REPORT.exec(message.slice(0, -suffix.length));
  if (match === null) return undefined;
  const [, count = '1', process = '', pid, operation = '', subject = ''] = match;
  return { process, pid: Number(pid), operation, subject, count: Number(count), time: timeOf(entry?.['timestamp']) };
}

function parseEntry(line: string): Record<string, unknown> | undefined {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return undefined;
  }
  return typeof entry === 'object' && entry !== null ? { ...entry } : undefined;
}

/** The log writes `2026-03-01 12:00:00.123456+0100`. */
function timeOf(timestamp: unknown): Date | undefined {
  if (typeof timestamp !== 'string') return undefined;
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3})\d*([+-]\d\d)(\d\d)$/.exec(timestamp);
  if (match === null) return undefined;
  const [, day, time, hours, minutes] = match;
  const date = new Date(`${day}T${time}${hours}:${minutes}`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
