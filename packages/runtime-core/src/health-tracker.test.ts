import { expect, test } from 'vitest';
import { HealthTracker } from './health-tracker.ts';

test('one good check makes a container healthy, so many bad ones in a row unhealthy', () => {
  const tracker = new HealthTracker({ retries: 3, startPeriod: 0 });
  expect(tracker.status).toBe('starting');
  expect(
    [true, true, false, false, true, false, false, false, false, true].map((good) => tracker.record(good, 0)),
  ).toEqual([
    'healthy',
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    'unhealthy',
    undefined,
    'healthy',
  ]);
});

test('failures of a start period do not count, unless the container was healthy before', () => {
  const tracker = new HealthTracker({ retries: 1, startPeriod: 1000 });
  expect(tracker.record(false, 999)).toBeUndefined();
  expect(tracker.status).toBe('starting');
  expect(tracker.record(true, 999)).toBe('healthy');
  expect(tracker.record(false, 999)).toBe('unhealthy');
  expect(new HealthTracker({ retries: 1, startPeriod: 1000 }).record(false, 1000)).toBe('unhealthy');
});
