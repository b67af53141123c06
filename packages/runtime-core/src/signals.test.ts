import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZlayerError } from './errors.ts';
import { exitCodeOfSignal, signalName, signalNumber, signalOfExitCode } from './signals.ts';

describe('signalNumber', () => {
  it.each([
    ['SIGTERM', 15],
    ['term', 15],
    ['KILL', 9],
    ['15', 15],
    [64, 64],
    ['SIGRTMIN', 34],
    ['RTMIN+3', 37],
    ['SIGRTMAX-2', 62],
    ['SIGIOT', 6],
  ])('reads %s', (signal, number) => {
    expect(signalNumber(signal)).toBe(number);
  });

  it.each(['', 'SIG', 'SIGTREM', '0', '65', '-9', '9.5', 'SIGRTMIN+99', 'toString', '__proto__', 0, Number.NaN, 1.5])(
    'never turns %j into another signal',
    (signal) => {
      expect(() => signalNumber(signal)).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
    },
  );

  it('reads back every name that signalName gives', () => {
    for (let number = 1; number <= 64; number += 1) {
      const name = signalName(number);
      if (name !== undefined) expect(signalNumber(name)).toBe(number);
      else expect([32, 33]).toContain(number);
    }
  });

  it('throws nothing but a typed error, whatever it is given', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double()), (signal) => {
        try {
          const number = signalNumber(signal);
          expect(number).toBeGreaterThanOrEqual(1);
          expect(number).toBeLessThanOrEqual(64);
        } catch (error) {
          expect(error).toBeInstanceOf(ZlayerError);
        }
      }),
    );
  });
});

describe('signalOfExitCode', () => {
  it('tells a signal death from an ordinary exit', () => {
    expect(signalOfExitCode(143)).toBe(15);
    expect(signalOfExitCode(137)).toBe(9);
    expect(signalOfExitCode(128)).toBeUndefined();
    expect(signalOfExitCode(255)).toBeUndefined();
    expect(signalOfExitCode(0)).toBeUndefined();
  });
});

describe('exitCodeOfSignal', () => {
  it('gives back the signal that ended a process, for every signal, with and without SIG', () => {
    for (let number = 1; number <= 64; number += 1) {
      expect(signalOfExitCode(exitCodeOfSignal(number))).toBe(number);
      const name = signalName(number);
      if (name === undefined) continue;
      expect(exitCodeOfSignal(name)).toBe(128 + number);
      expect(exitCodeOfSignal(name.slice('SIG'.length).toLowerCase())).toBe(128 + number);
    }
  });

  it('gives no code for what is no signal', () => {
    expect(() => exitCodeOfSignal('SIGNOPE')).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
  });
});
