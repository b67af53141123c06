import { expect } from 'vitest';
import { shellCommand } from '../bench.ts';
import type { Suite } from '../suite.ts';

/** What a workload may use, and what happens when it wants more. Starts up to five containers. */
export function limits(suite: Suite): void {
  suite.area('limits', () => {
    suite.testWith(
      'containers.oomKills',
      'a workload that uses up its memory ends as oom-killed, which is reported before its end',
      async (bench) => {
        const spec = bench.shell('eatMemory', { resources: { memory: '128Mi' } });
        const { container, result } = await bench.run(spec);
        expect(result).toEqual({ reason: 'oom-killed', exitCode: 137 });
        expect(await bench.runtime.inspectContainer(container)).toMatchObject({
          state: { status: 'exited', exitCode: 137 },
          exit: result,
        });
        await bench.lab.events.shows(container.instance, 'exited');
        const events = bench.lab.events.of(container.instance);
        const ended = events.findIndex((event) => event.type === 'state' && event.state.status === 'exited');
        const oom = events.findIndex(({ type }) => type === 'oom');
        expect(oom).toBeGreaterThan(0);
        expect(oom).toBeLessThan(ended);
      },
    );

    suite.testWith(
      ['containers.oomKills', 'exec.buffered'],
      'an exec that uses up the memory of its container is killed, and the workload goes on',
      async (bench) => {
        const spec = bench.shell('untilTerm', { resources: { memory: '128Mi' } });
        const { container, output } = await bench.start(spec);
        await output.shows('ready');
        const { runtime } = bench;
        expect(await runtime.exec(container, shellCommand('eatMemory'))).toMatchObject({ exitCode: 137, signal: 9 });
        await bench.lab.events.shows(container.instance, 'oom');
        expect(await runtime.exec(container, shellCommand('exit41'))).toMatchObject({ exitCode: 41 });
        expect(await runtime.inspectContainer(container)).toMatchObject({ state: { status: 'running' } });
      },
    );

    suite.testWith(
      'resources.cpu',
      'a start tells of CPUs that it could not give, and of nothing else',
      async (bench) => {
        const reduced = async (cpu: number) => {
          const container = await bench.create(bench.shell('exit0', { resources: { cpu } }));
          const { warnings } = await bench.runtime.startContainer(container);
          return { instance: container.instance, reductions: warnings.filter(({ kind }) => kind === 'reduced') };
        };
        expect((await reduced(1)).reductions).toEqual([]);
        const { instance, reductions } = await reduced(1024);
        const [warning, ...others] = reductions;
        expect(others).toEqual([]);
        expect(warning).toMatchObject({ field: 'resources.cpu', asked: 1024, given: expect.any(Number) });
        const message = warning?.message ?? '';
        expect(message).toContain('resources.cpu');
        await bench.lab.events.shows(instance, 'warning');
        expect(bench.lab.events.of(instance)).toContainEqual(expect.objectContaining({ type: 'warning', message }));
      },
    );

    suite.testWith('resources.pids', 'a workload cannot start more processes than it may', async (bench) => {
      const few = await bench.run(bench.shell('spawnMany', { args: ['5'], resources: { pids: 30 } }));
      expect(few).toMatchObject({ result: { exitCode: 0 }, output: { stdout: 'started 5\n' } });
      const many = await bench.run(bench.shell('spawnMany', { args: ['100'], resources: { pids: 30 } }));
      expect(many.output.stdout).toBe('');
      expect(many.result.exitCode).not.toBe(0);
      expect(many.result.reason).toBe('exited');
    });

    suite.testWith(
      'resources.ulimits',
      'limits of a process are as the spec has them, soft and hard',
      async (bench) => {
        const ulimits = { nofile: { soft: 123, hard: 456 }, core: 0 };
        const { output } = await bench.run(bench.shell('ulimits', { resources: { ulimits } }));
        expect(output.stdout).toBe('nofile 123 456\ncore 0 0\n');
      },
    );
  });
}
