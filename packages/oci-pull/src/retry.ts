/** Milliseconds before the next attempt: doubling, with jitter, so that many clients do not come back all at once. */
export function retryDelay(attempt: number): number {
  return 200 * 2 ** (attempt - 1) * (0.5 + Math.random() / 2);
}

/** Milliseconds that a `Retry-After` header asks to wait, given in seconds or as a date; 0 if it says nothing. */
export function parseRetryAfter(header: string | string[] | undefined, now = Date.now()): number {
  const text = [header].flat()[0]?.trim() ?? '';
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000;
  // Anything that Date.parse would guess at is no HTTP date: those begin with the name of a day.
  const date = /^[A-Z][a-z]+,? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}
