import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { shellCommand } from '../bench.ts';
import { expectError } from '../expect-error.ts';
import { settle } from '../settle.ts';
import type { Suite } from '../suite.ts';

/** Stopping a container in its tracks. Starts up to three containers. */
export function pause(suite: Suite): void {
  suite.area('pause', () => {
    const paused = suite.shared(async (bench) => {
      const { runtime, lab } = bench;
      const { container, output } = await bench.start(bench.shell('ticker'));
      await output.shows('tick');
      const unpauseRunning = await settle(runtime.unpauseContainer(container));
      await runtime.pauseContainer(container);
      const state = await runtime.containerState(container);
      // What was on its way arrives.
      await delay(lab.silenceMs / 5);
      const before = output.stdout;
      await delay(lab.silenceMs);
      const after = output.stdout;
      const pauseAgain = await settle(runtime.pauseContainer(container));
      await runtime.unpauseContainer(container);
      const resumed = await runtime.containerState(container);
      while (output.stdout === after) await output.next();
      await runtime.pauseContainer(container);
      const stop = await settle(runtime.stopContainer(container, { timeoutMs: 200 }));
      const stopped = await runtime.containerState(container);
      return { unpauseRunning, state, before, after, pauseAgain, resumed, stop, stopped };
    });

    suite.testWith('containers.pause', 'a paused container says so and does nothing', async () => {
      const { state, before, after } = await paused();
      expect(state).toEqual({ status: 'paused' });
      expect(after).toBe(before);
    });
    suite.testWith('containers.pause', 'a container that is unpaused runs on', async () => {
      expect((await paused()).resumed).toEqual({ status: 'running' });
    });
    suite.testWith('containers.pause', 'pausing twice and unpausing what runs are a CONFLICT', async () => {
      const { pauseAgain, unpauseRunning } = await paused();
      expect(pauseAgain.error).toMatchObject({ code: 'CONFLICT' });
      expect(unpauseRunning.error).toMatchObject({ code: 'CONFLICT' });
    });
    suite.testWith('containers.pause', 'a paused container can be stopped', async () => {
      const { stop, stopped } = await paused();
      expect(stop).toEqual({ value: undefined });
      expect(stopped.status).toBe('exited');
    });
    suite.testWith(
      'containers.pause',
      'a signal to a paused container reaches it when it is unpaused',
      async (bench) => {
        const { runtime, lab } = bench;
        const { container, output } = await bench.start(bench.shell('reportSignals'));
        await output.shows('ready');
        await runtime.pauseContainer(container);
        await runtime.killContainer(container, 'HUP');
        await delay(lab.silenceMs / 5);
        expect(await runtime.containerState(container)).toEqual({ status: 'paused' });
        expect(output.stdout).toBe('ready\n');
        await runtime.unpauseContainer(container);
        await output.shows('HUP');
        await runtime.pauseContainer(container);
        await runtime.killContainer(container, 'KILL');
        expect(await runtime.waitContainer(container, { signal: bench.signal })).toEqual({
          reason: 'signal',
          exitCode: 137,
          signal: 9,
        });
        await expectError(runtime.unpauseContainer(container), 'CONFLICT');
      },
    );
    suite.testWith(['containers.pause', 'exec.buffered'], 'exec in a paused container is a CONFLICT', async (bench) => {
      const { runtime } = bench;
      const { container, output } = await bench.start(bench.shell('untilTerm'));
      await output.shows('ready');
      await runtime.pauseContainer(container);
      await expectError(runtime.exec(container, shellCommand('exit0')), 'CONFLICT');
      await runtime.unpauseContainer(container);
      expect(await runtime.exec(container, shellCommand('exit0'))).toMatchObject({ exitCode: 0 });
    });
    suite.testWith('containers.pause', 'pausing a container that was not started is a CONFLICT', async (bench) => {
      const container = await bench.create(bench.shell('exit0'));
      await expectError(bench.runtime.pauseContainer(container), 'CONFLICT');
      await expectError(bench.runtime.unpauseContainer(container), 'CONFLICT');
    });
  });
}
