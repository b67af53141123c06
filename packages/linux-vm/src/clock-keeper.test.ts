import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ClockKeeper } from './clock-keeper.ts';

describe('ClockKeeper', () => {
  it.each([
    ['which its wall clock alone has noticed, as on Linux', 3600_000, 0],
    ['which both of its clocks have noticed, as on macOS', 3600_000, 3600_000],
    ['or its clock was set back', -3600_000, 0],
  ])('sets the guests right at once when the host has slept, %s', async (_, wallMs, monotonicMs) => {
    let asleep = 0;
    let synced = 0;
    const sync = (): void => {
      synced += 1;
    };
    using keeper = new ClockKeeper(sync, {
      tickMs: 60,
      wall: () => Date.now() + asleep * wallMs,
      monotonic: () => performance.now() + asleep * monotonicMs,
    });
    keeper.start();
    await delay(150);
    expect(synced).toBe(0);
    asleep = 1;
    await delay(150);
    expect(synced).toBe(1);
  });

  it('sets them right every now and then, until it is disposed of', async () => {
    let synced = 0;
    const keeper = new ClockKeeper(
      () => {
        synced += 1;
      },
      { tickMs: 2 },
    );
    keeper.start();
    await delay(150);
    expect(synced).toBeGreaterThan(0);
    keeper[Symbol.dispose]();
    const before = synced;
    await delay(60);
    expect(synced).toBe(before);
  });
});
