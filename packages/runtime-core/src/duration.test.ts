import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDuration } from './duration.ts';

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['1m30s', 90_000],
    ['2h', 7_200_000],
    ['1h1m1s1ms', 3_661_001],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    ['1d', 86_400_000],
    ['1d12h', 129_600_000],
    ['2w', 1_209_600_000],
    ['1w2d3h4m5s6ms', 788_645_006],
    ['0.5s', 500],
    ['0.1s', 100],
    ['1.9999ms', 1],
    ['0s', 0],
    [' 1s ', 1000],
    [0, 0],
    [1500, 1500],
  ])('reads %s', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it.each([
    '',
    ' ',
    '10',
    's',
    '-1s',
    '1s1m',
    '1s2s',
    '1y',
    '1h1d',
    '1d1w',
    '1 s',
    '1S',
    '1e3s',
    '.5s',
    '1.s',
    '1s\n2s',
    '999999999999999h',
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ])('refuses %j and says what to write', (text) => {
    expect(() => parseDuration(text)).toThrow(
      expect.objectContaining({ code: 'INVALID_SPEC', remedy: expect.stringContaining('1m30s') }),
    );
  });

  it('reads back every length that is written with units', () => {
    const part = (max: number) => fc.integer({ min: 0, max });
    fc.assert(
      fc.property(part(100), part(100), part(100_000), part(1000), part(1000), part(5000), (w, d, h, m, s, ms) => {
        const hours = (w * 7 + d) * 24 + h;
        expect(parseDuration(`${w}w${d}d${h}h${m}m${s}s${ms}ms`)).toBe(((hours * 60 + m) * 60 + s) * 1000 + ms);
      }),
    );
  });
});
