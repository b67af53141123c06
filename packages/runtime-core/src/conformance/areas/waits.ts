import { expect } from 'vitest';
import { expectError, expectReason } from '../expect-error.ts';
import { settle } from '../settle.ts';
import type { Suite } from '../suite.ts';

/** The three conditions of waiting. Starts one container. */
export function waits(suite: Suite): void {
  suite.area('waiting', () => {
    const waited = suite.shared(async (bench) => {
      const { runtime } = bench;
      const container = await bench.create(bench.shell('exit41'));
      const early = {
        notRunning: settle(runtime.waitContainer(container)),
        nextExit: settle(runtime.waitContainer(container, { condition: 'next-exit' })),
        removed: settle(runtime.waitContainer(container, { condition: 'removed' })),
      };
      let isRemoved = false;
      void early.removed.then(() => {
        isRemoved = true;
      });
      await runtime.startContainer(container);
      const notRunning = await early.notRunning;
      const nextExit = await early.nextExit;
      const late = await settle(runtime.waitContainer(container, { condition: 'not-running' }));
      const removedTooEarly = isRemoved;
      await runtime.removeContainer(container);
      return { notRunning, nextExit, late, removedTooEarly, removed: await early.removed };
    });
    const exit = { value: { reason: 'exited', exitCode: 41 } };

    suite.test('a wait that began before the start gets the exit code', async () => {
      expect((await waited()).notRunning).toEqual(exit);
    });
    suite.test('a wait for the next exit gets it', async () => {
      expect((await waited()).nextExit).toEqual(exit);
    });
    suite.test('waiting for a container that has ended gets its exit code at once', async () => {
      expect((await waited()).late).toEqual(exit);
    });
    suite.test('a wait for the removal ends with the removal, and gets the exit code', async () => {
      const { removed, removedTooEarly } = await waited();
      expect(removedTooEarly).toBe(false);
      expect(removed).toEqual(exit);
    });

    suite.test('a container that is removed before it was started ended with a runtime-error', async (bench) => {
      const container = await bench.create(bench.shell('exit0'));
      const waits = (['not-running', 'next-exit', 'removed'] as const).map((condition) =>
        bench.runtime.waitContainer(container, { condition, signal: bench.signal }),
      );
      await bench.runtime.removeContainer(container);
      for (const result of await Promise.all(waits)) {
        expect(result).toMatchObject({ reason: 'runtime-error', exitCode: undefined });
      }
    });

    suite.test('an aborted wait ends with the reason of its signal, and the container stays', async (bench) => {
      const container = await bench.create(bench.shell('exit0'));
      const reason = new Error('enough');
      const controller = new AbortController();
      const wait = bench.runtime.waitContainer(container, { signal: controller.signal });
      controller.abort(reason);
      await expectReason(wait, reason);
      await expectReason(bench.runtime.waitContainer(container, { signal: AbortSignal.abort(reason) }), reason);
      expect(await bench.runtime.containerState(container)).toEqual({ status: 'pending' });
    });

    suite.test('an instance that was replaced is removed already', async (bench) => {
      const first = await bench.create(bench.shell('exit0'));
      const { service, replica } = first;
      await bench.runtime.removeContainer(first);
      await bench.create(bench.shell('exit0'), { service, replica });
      const result = await bench.runtime.waitContainer(first, { condition: 'removed', signal: bench.signal });
      expect(result).toMatchObject({ reason: 'runtime-error', exitCode: undefined });
    });

    suite.test('waiting for the exit of an unknown container is NOT_FOUND', async (bench) => {
      await expectError(bench.runtime.waitContainer(bench.id(), { condition: 'next-exit' }), 'NOT_FOUND');
    });
  });
}
