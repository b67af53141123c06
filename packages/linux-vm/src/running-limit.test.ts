import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerState } from '@zlayer/runtime-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withinRunningLimit } from './running-limit.ts';

describe('withinRunningLimit', () => {
  let directory: string;
  const states = new Map<number, ContainerState['status']>();

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'zlayer-limit-'));
    states.clear();
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const start = (replica: number, limit: number | undefined): Promise<void> =>
    withinRunningLimit(
      {
        lockFile: join(directory, 'running.lock'),
        limit,
        id: { service: 'web', replica },
        list: async () => {
          const listed = [...states].map(([each, status]) => ({
            id: { service: 'web', replica: each },
            state: status === 'exited' ? { status, exitCode: 0 } : ({ status } as ContainerState),
          }));
          await delay(5);
          return listed;
        },
      },
      async () => {
        states.set(replica, 'running');
      },
    );

  it('lets as many begin as may, also when they all come at once', async () => {
    const results = await Promise.allSettled([0, 1, 2, 3].map((replica) => start(replica, 2)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect([...states.values()]).toEqual(['running', 'running']);
  });

  it('says who runs, counts those that stand still or are about to end, and none that have ended', async () => {
    states.set(1, 'exited').set(2, 'paused').set(3, 'stopping').set(4, 'pending');
    await expect(start(0, 2)).rejects.toMatchObject({
      code: 'CONFLICT',
      subject: 'web-0',
      message: expect.stringContaining('2 virtual machines may run at once here, and web-2, web-3 do'),
    });
    expect(states.has(0)).toBe(false);
    states.set(3, 'exited');
    await start(0, 2);
  });

  it('a container that starts again does not stand in its own way', async () => {
    states.set(0, 'stopping');
    await start(0, 1);
  });

  it('limits nothing where there is no limit', async () => {
    await Promise.all([0, 1, 2].map((replica) => start(replica, undefined)));
    expect(states.size).toBe(3);
  });
});
