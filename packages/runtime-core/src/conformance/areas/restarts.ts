import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Bench } from '../bench.ts';
import type { Suite } from '../suite.ts';

/** Restart policies. Starts up to five containers, some of them several times. */
export function restarts(suite: Suite): void {
  const needs = 'containers.restartPolicies';
  suite.area('restarts', () => {
    suite.testWith(needs, 'on-failure starts a failed container again, as often as it may', async (bench) => {
      const restart = { policy: 'on-failure', maxRetries: 2, backoff: 50 } as const;
      const { container } = await bench.start(bench.shell('exit41', { lifecycle: { restart } }));
      await bench.lab.events.counts(container.instance, 'exited', 3);
      await delay(bench.lab.silenceMs);
      const events = bench.lab.events.of(container.instance);
      const announced = events.flatMap((event) => (event.type === 'restarting' ? [event] : []));
      expect(announced.map(({ attempt }) => attempt)).toEqual([1, 2]);
      const [first, second] = announced.map(({ delayMs }) => delayMs);
      expect(first).toBe(50);
      expect(second, 'the pauses grow').toBeGreaterThan(50);
      expect(bench.lab.events.statuses(container.instance).filter((status) => status === 'running')).toHaveLength(3);
      expect(await bench.runtime.inspectContainer(container)).toMatchObject({
        state: { status: 'exited', exitCode: 41 },
        exit: { reason: 'exited', exitCode: 41 },
        restarts: 2,
      });
      const log = await bench.runtime.containerLogs(container);
      expect(log).toEqual([]);
    });

    suite.testWith(needs, 'on-failure leaves a container alone that has succeeded', async (bench) => {
      const restart = { policy: 'on-failure', backoff: 50 } as const;
      const { container } = await bench.run(bench.shell('exit0', { lifecycle: { restart } }));
      await expectNoMore(bench, container.instance);
      expect((await bench.runtime.inspectContainer(container)).restarts ?? 0).toBe(0);
    });

    for (const policy of ['always', 'unless-stopped'] as const) {
      suite.testWith(needs, `${policy} starts a container again until somebody stops it`, async (bench) => {
        const spec = bench.shell('untilTerm', { lifecycle: { restart: { policy, backoff: 50 } } });
        const { container, output } = await bench.start(spec);
        await output.shows('ready');
        await bench.runtime.killContainer(container, 'TERM');
        await bench.lab.events.counts(container.instance, 'restarting', 1);
        const runs = (): number =>
          bench.lab.events.statuses(container.instance).filter((status) => status === 'running').length;
        while (runs() < 2) await bench.lab.events.next();
        expect(await bench.runtime.containerState(container)).toEqual({ status: 'running' });
        await bench.runtime.stopContainer(container);
        await expectNoMore(bench, container.instance);
        expect((await bench.runtime.containerState(container)).status).toBe('exited');
      });
    }

    suite.testWith(needs, 'a stop in the pause before a restart is the end of it', async (bench) => {
      const restart = { policy: 'always', backoff: 1000 } as const;
      const { container } = await bench.run(bench.shell('exit0', { lifecycle: { restart } }));
      await bench.lab.events.counts(container.instance, 'restarting', 1);
      await bench.runtime.stopContainer(container);
      await delay(1000);
      await expectNoMore(bench, container.instance);
    });
  });
}

async function expectNoMore({ lab }: Bench, instance: string): Promise<void> {
  const starts = (): number => lab.events.statuses(instance).filter((status) => status === 'initializing').length;
  const before = starts();
  await delay(lab.silenceMs);
  expect(starts()).toBe(before);
}
