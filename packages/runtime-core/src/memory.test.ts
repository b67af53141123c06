import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMemory } from './memory.ts';

describe('parseMemory', () => {
  it.each([
    ['512Mi', 512 * 1024 ** 2],
    ['512mb', 512 * 1024 ** 2],
    ['512m', 512 * 1024 ** 2],
    ['1.5Gi', 1.5 * 1024 ** 3],
    ['2 GiB', 2 * 1024 ** 3],
    ['100', 100],
    ['0.5k', 512],
    [4096, 4096],
    [0, 0],
  ])('reads %s', (amount, bytes) => {
    expect(parseMemory(amount)).toBe(bytes);
  });

  it.each([
    '',
    ' ',
    '-1',
    '-5Mi',
    '1.',
    '.5',
    '1e9',
    '1Xi',
    '1constructor',
    '9007199254740992',
    '99999999T',
    1.5,
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ])('refuses %s and says what to write', (amount) => {
    expect(() => parseMemory(amount)).toThrow(
      expect.objectContaining({ code: 'INVALID_SPEC', remedy: expect.stringContaining('512Mi') }),
    );
  });

  it('does not repeat a text of any length in its error', () => {
    expect(() => parseMemory('x'.repeat(1_000_000))).toThrow(/^.{1,200}$/);
  });

  it('multiplies by its unit exactly, and refuses what a number cannot hold', () => {
    const units = fc.constantFrom<[string, number]>(['k', 1], ['Ki', 1], ['mb', 2], ['MiB', 2], ['g', 3], ['Ti', 4]);
    fc.assert(
      fc.property(fc.maxSafeNat(), units, (amount, [unit, power]) => {
        const exact = BigInt(amount) * 1024n ** BigInt(power);
        if (exact <= BigInt(Number.MAX_SAFE_INTEGER)) expect(BigInt(parseMemory(`${amount}${unit}`))).toBe(exact);
        else expect(() => parseMemory(`${amount}${unit}`)).toThrow('it is too large');
      }),
    );
  });

  it('reads back every whole number of bytes', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        expect(parseMemory(String(bytes))).toBe(bytes);
      }),
    );
  });
});
