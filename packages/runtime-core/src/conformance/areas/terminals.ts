import { expect } from 'vitest';
import { expectError } from '../expect-error.ts';
import type { Suite } from '../suite.ts';

/** A terminal for the workload itself. Starts up to two containers. */
export function terminals(suite: Suite): void {
  suite.area("the workload's terminal", () => {
    suite.testWith(
      ['containers.tty', 'containers.stdin'],
      'a workload with a terminal gets to know its size and what is typed',
      async (bench) => {
        const { runtime } = bench;
        const { container, output } = await bench.start(bench.shell('terminal', { tty: true, openStdin: true }));
        await output.shows('\n');
        expect(output.stdout).toMatch(/^\d+ \d+\r?\n/);
        await runtime.resizeTerminal(container, { columns: 101, rows: 33 });
        await runtime.writeStdin(container, Buffer.from('\n'));
        expect(await runtime.waitContainer(container, { signal: bench.signal })).toEqual({
          reason: 'exited',
          exitCode: 0,
        });
        await output.ended;
        expect(output.stdout).toMatch(/33 101\r?\n$/);
        expect(output.stderr).toBe('');
        await expectError(runtime.resizeTerminal(container, { columns: 1, rows: 1 }), 'CONFLICT');
      },
    );

    suite.testWith('containers.tty', 'a workload without a terminal has none to resize', async (bench) => {
      const { container } = await bench.start(bench.shell('untilTerm'));
      await expectError(bench.runtime.resizeTerminal(container, { columns: 1, rows: 1 }), 'UNSUPPORTED');
    });
  });
}
