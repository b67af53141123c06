import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { shellCommand } from '../bench.ts';
import type { Suite } from '../suite.ts';

/** Containers whose time is limited. Starts up to three. */
export function lifetimes(suite: Suite): void {
  suite.area('lifetimes', () => {
    suite.testWith(
      'containers.maxLifetime',
      'a container is stopped when its time is over, not before',
      async (bench) => {
        const { container } = await bench.start(bench.shell('untilTerm', { lifecycle: { maxLifetime: '2s' } }));
        const began = performance.now();
        const result = await bench.runtime.waitContainer(container, { signal: bench.signal });
        expect(result, 'it is asked to end').toEqual({ reason: 'exited', exitCode: 7 });
        expect(performance.now() - began).toBeGreaterThan(1000);
        expect(bench.lab.events.statuses(container.instance)).toContain('stopping');
      },
    );

    suite.testWith('containers.idleTimeout', 'a container that nobody uses is stopped', async (bench) => {
      const { container } = await bench.start(bench.shell('untilTerm', { lifecycle: { idleTimeout: '1s' } }));
      const result = await bench.runtime.waitContainer(container, { signal: bench.signal });
      expect(result).toEqual({ reason: 'exited', exitCode: 7 });
    });

    suite.testWith(
      ['containers.idleTimeout', 'exec.buffered'],
      'a container that somebody uses is not idle',
      async (bench) => {
        const spec = bench.shell('untilTerm', { lifecycle: { idleTimeout: 2 * bench.lab.silenceMs } });
        const { container, output } = await bench.start(spec);
        await output.shows('ready');
        for (let count = 0; count < 4; count += 1) {
          await bench.runtime.exec(container, shellCommand('exit0'));
          await delay(bench.lab.silenceMs);
        }
        expect(await bench.runtime.containerState(container)).toEqual({ status: 'running' });
      },
    );
  });
}
