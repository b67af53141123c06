import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { IdleTime } from './idle-time.ts';

describe('IdleTime', () => {
  it('is over when nobody has used it for so long, and is told once', async () => {
    let told = 0;
    using _ = new IdleTime(30, () => {
      told += 1;
    });
    await delay(120);
    expect(told).toBe(1);
  });

  it('does not pass while somebody uses it, and begins anew afterwards', async () => {
    let told = 0;
    using idle = new IdleTime(60, () => {
      told += 1;
    });
    const done = [idle.use(), idle.use()];
    await delay(100);
    done[0]?.();
    done[0]?.();
    await delay(100);
    expect(told).toBe(0);
    done[1]?.();
    await delay(150);
    expect(told).toBe(1);
  });

  it('tells nobody any more when it is disposed of', async () => {
    let told = 0;
    const idle = new IdleTime(20, () => {
      told += 1;
    });
    const done = idle.use();
    idle[Symbol.dispose]();
    done();
    await delay(60);
    expect(told).toBe(0);
  });
});
