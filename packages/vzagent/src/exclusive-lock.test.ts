import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withExclusiveLock } from './exclusive-lock.ts';

describe('withExclusiveLock', () => {
  let folder: string;
  let file: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-lock-'));
    file = join(folder, 'lock');
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('lets one in at a time, and all in the end', async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<number> => {
      most = Math.max(most, ++inside);
      await delay(10);
      return inside--;
    };
    expect(await Promise.all(Array.from({ length: 8 }, () => withExclusiveLock(file, work)))).toHaveLength(8);
    expect(most).toBe(1);
  });

  it('is free again after work that failed', async () => {
    await expect(withExclusiveLock(file, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await withExclusiveLock(file, async () => 'free')).toBe('free');
  });

  it('gives up waiting when aborted, and holds nothing then', async () => {
    const release = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    const first = withExclusiveLock(file, () => {
      entered.resolve();
      return release.promise;
    });
    await entered.promise;
    const controller = new AbortController();
    const second = withExclusiveLock(file, async () => 'never', controller.signal);
    setTimeout(() => controller.abort(new Error('enough')), 50);
    await expect(second).rejects.toThrow('enough');
    release.resolve();
    await first;
    expect(await withExclusiveLock(file, async () => 'free')).toBe('free');
  });

  it('names the file that cannot be locked', async () => {
    const missing = join(folder, 'no', 'folder');
    await expect(withExclusiveLock(missing, async () => 0)).rejects.toMatchObject({
      code: 'INTERNAL',
      subject: missing,
    });
  });
});
