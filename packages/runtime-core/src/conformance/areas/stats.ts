import { expect } from 'vitest';
import type { ContainerStats } from '../../stats.ts';
import { drain, expectReason } from '../expect-error.ts';
import type { Suite } from '../suite.ts';

/** Figures of a running container. Starts up to two containers. */
export function stats(suite: Suite): void {
  suite.area('statistics', () => {
    const measured = suite.shared(async (bench) => {
      const { container, output } = await bench.start(bench.shell('untilTerm'));
      await output.shows('ready');
      return { container, runtime: bench.runtime };
    });

    suite.testWith('containers.stats', 'figures are measured or absent, never made up as 0', async () => {
      const { runtime, container } = await measured();
      const before = Date.now();
      const { time, cpuTimeNs, memoryBytes, memoryLimitBytes, processes } = await runtime.getContainerStats(container);
      expect(Math.abs(time.getTime() - before)).toBeLessThan(60_000);
      const figures = [cpuTimeNs, memoryBytes, memoryLimitBytes, processes].filter((figure) => figure !== undefined);
      expect(figures.length).toBeGreaterThan(0);
      for (const figure of figures) expect(figure > 0).toBe(true);
      if (memoryBytes !== undefined && memoryLimitBytes !== undefined) {
        expect(memoryBytes).toBeLessThanOrEqual(memoryLimitBytes);
      }
    });

    suite.testWith('containers.stats', 'a stream of figures comes in its interval until the end', async (bench) => {
      const { container, output } = await bench.start(bench.shell('untilTerm'));
      await output.shows('ready');
      const seen: ContainerStats[] = [];
      for await (const sample of bench.runtime.statsStream(container, { intervalMs: 50, signal: bench.signal })) {
        seen.push(sample);
        if (seen.length === 3) void bench.runtime.stopContainer(container);
      }
      expect(seen.length).toBeGreaterThanOrEqual(3);
      for (const [index, sample] of seen.entries()) {
        const previous = seen[index - 1];
        if (previous === undefined) continue;
        expect(sample.time.getTime()).toBeGreaterThan(previous.time.getTime());
        expect((sample.cpuTimeNs ?? 0n) >= (previous.cpuTimeNs ?? 0n)).toBe(true);
      }
    });

    suite.testWith('containers.stats', 'an aborted stream of figures ends with the reason of its signal', async () => {
      const { runtime, container } = await measured();
      const controller = new AbortController();
      const reason = new Error('enough');
      const reading = drain(runtime.statsStream(container, { intervalMs: 60_000, signal: controller.signal }));
      setTimeout(() => controller.abort(reason), 50);
      await expectReason(reading, reason);
    });

    suite.testWith('containers.top', 'the processes of a container are listed with their commands', async () => {
      const { runtime, container } = await measured();
      const processes = await runtime.topContainer(container);
      expect(processes.some(({ command }) => command.includes('/bin/sh'))).toBe(true);
      for (const { pid } of processes) expect(pid).toBeGreaterThan(0);
    });
  });
}
