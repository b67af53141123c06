import fc from 'fast-check';
import { expect, test } from 'vitest';
import { restartDelay } from './restart-delay.ts';

const failure = { result: { reason: 'exited', exitCode: 1 }, ranMs: 0, restarts: 0 } as const;
const success = { ...failure, result: { reason: 'exited', exitCode: 0 } } as const;
const lost = { ...failure, result: { reason: 'runtime-error', exitCode: undefined, message: 'lost' } } as const;
const rule = { policy: 'always', backoff: 100 } as const;

test.each([
  ['no', undefined, undefined],
  ['on-failure', 100, undefined],
  ['always', 100, 100],
  ['unless-stopped', 100, 100],
] as const)(
  '%s starts a failed container after %s ms, and one that has succeeded after %s',
  (policy, failed, succeeded) => {
    expect(restartDelay({ ...rule, policy }, failure)).toBe(failed);
    expect(restartDelay({ ...rule, policy }, lost)).toBe(failed);
    expect(restartDelay({ ...rule, policy }, success)).toBe(succeeded);
  },
);

test('on-failure gives up after its retries, and begins to count anew after a good run', () => {
  const limited = { policy: 'on-failure', backoff: 100, maxRetries: 2 } as const;
  expect(restartDelay(limited, { ...failure, restarts: 1 })).toBe(200);
  expect(restartDelay(limited, { ...failure, restarts: 2 })).toBeUndefined();
  expect(restartDelay(limited, { ...failure, restarts: 2, ranMs: 10_000 })).toBe(100);
  expect(restartDelay({ ...limited, maxRetries: 0 }, failure)).toBeUndefined();
});

test('pauses never shrink, and never are longer than a minute unless the first is', () => {
  fc.assert(
    fc.property(fc.nat(200_000), fc.nat(10_000), (backoff, restarts) => {
      const pause = restartDelay({ ...rule, backoff }, { ...failure, restarts }) ?? Number.NaN;
      const next = restartDelay({ ...rule, backoff }, { ...failure, restarts: restarts + 1 }) ?? Number.NaN;
      expect(next).toBeGreaterThanOrEqual(pause);
      expect(pause).toBeGreaterThanOrEqual(backoff);
      expect(pause).toBeLessThanOrEqual(Math.max(backoff, 60_000));
    }),
  );
});
