import { expect, test } from 'vitest';
import { parseRetryAfter, retryDelay } from './retry.ts';

test('pauses get longer, and are not the same for everybody', () => {
  for (const attempt of [1, 2, 3, 4]) {
    const delays = Array.from({ length: 50 }, () => retryDelay(attempt));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(100 * 2 ** (attempt - 1));
    expect(Math.max(...delays)).toBeLessThanOrEqual(200 * 2 ** (attempt - 1));
    expect(new Set(delays).size).toBeGreaterThan(1);
  }
});

const now = Date.parse('2026-01-02T03:04:05Z');

test.each<[string | string[] | undefined, number]>([
  ['0', 0],
  ['7', 7000],
  [['3', '9'], 3000],
  ['Fri, 02 Jan 2026 03:04:35 GMT', 30_000],
  ['Friday, 02-Jan-26 03:04:35 GMT', 30_000],
  ['Fri, 02 Jan 2026 03:00:00 GMT', 0],
  [undefined, 0],
  ['', 0],
  ['-5', 0],
  ['1e9', 0],
  ['soon', 0],
  ['2026', 2_026_000],
  ['9'.repeat(400), 0],
])('Retry-After: %j means to wait %i ms', (header, milliseconds) => {
  expect(parseRetryAfter(header, now)).toBe(milliseconds);
});
