import { expect } from 'vitest';
import { isActive } from '../../container-state.ts';
import { expectError, expectReason } from '../expect-error.ts';
import { settle } from '../settle.ts';
import type { Suite } from '../suite.ts';

/** Calls that are given up. Starts up to two containers. */
export function abortSignals(suite: Suite): void {
  const reason = new Error('enough');

  suite.area('abort signals', () => {
    suite.test('an aborted creation ends with the reason of its signal and creates nothing', async (bench) => {
      const id = bench.id();
      const signal = AbortSignal.abort(reason);
      await expectReason(bench.runtime.createContainer(id, bench.shell('exit0'), { signal }), reason);
      await expectError(bench.runtime.containerState(id), 'NOT_FOUND');
    });

    suite.test('a start that was aborted before it began leaves the container as it was', async (bench) => {
      const container = await bench.create(bench.shell('exit0'));
      await expectReason(bench.runtime.startContainer(container, { signal: AbortSignal.abort(reason) }), reason);
      expect(isActive((await bench.runtime.containerState(container)).status)).toBe(false);
    });

    suite.test('a start that is aborted on its way leaves nothing running, and can be repeated', async (bench) => {
      const { runtime, lab } = bench;
      const container = await bench.create(bench.shell('exit41'));
      const controller = new AbortController();
      const starting = settle(runtime.startContainer(container, { signal: controller.signal }));
      await lab.events.status(container.instance, 'initializing');
      controller.abort(reason);
      expect((await starting).error).toBe(reason);
      expect(isActive((await runtime.containerState(container)).status)).toBe(false);
      const exit = runtime.waitContainer(container, { condition: 'next-exit' });
      await runtime.startContainer(container);
      expect(await exit).toEqual({ reason: 'exited', exitCode: 41 });
    });
  });
}
