const UNITS = [
  ['second', 1],
  ['minute', 60],
  ['hour', 3600],
  ['day', 86_400],
  ['week', 604_800],
  ['month', 2_592_000],
  ['year', 31_536_000],
] as const;

/** A length of time for people: `Less than a second`, `5 minutes`, `2 days`. */
export function formatSpan(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 1) return 'Less than a second';
  const [name, factor] = UNITS.findLast(([, size]) => seconds >= size) ?? UNITS[0];
  const count = Math.floor(seconds / factor);
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

/** How long ago something was. */
export function formatAge(time: Date | undefined, now: Date = new Date()): string {
  return time === undefined ? '' : `${formatSpan(now.getTime() - time.getTime())} ago`;
}
