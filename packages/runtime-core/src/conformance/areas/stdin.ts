import { expect } from 'vitest';
import { expectError } from '../expect-error.ts';
import { settle } from '../settle.ts';
import type { Suite } from '../suite.ts';

const LINE = Buffer.from([0x61, 0xff, 0x0a]);
const BIG = Buffer.alloc(1024 ** 2, 'y');

/** The standard input of the workload. Starts two containers. */
export function stdin(suite: Suite): void {
  suite.area('standard input', () => {
    const echoed = suite.shared(async (bench) => {
      const { runtime } = bench;
      const container = await bench.create(bench.shell('cat', { openStdin: true }));
      const early = await settle(runtime.writeStdin(container, Buffer.from('too early')));
      await runtime.removeContainer(container);
      const { container: cat, output } = await bench.start(bench.shell('cat', { openStdin: true }));
      await runtime.writeStdin(cat, LINE);
      // It may be there before the write is known to be done; an output that ends is told by what is missing.
      const isThere = (): boolean => output.bytes('stdout').byteLength >= LINE.byteLength;
      while (!isThere() && (await settle(output.next())).error === undefined);
      const answer = output.bytes('stdout');
      await runtime.writeStdin(cat, BIG);
      await runtime.closeStdin(cat);
      const late = await settle(runtime.writeStdin(cat, Buffer.from('too late')));
      const result = await runtime.waitContainer(cat);
      await output.ended;
      return { early, answer, late, result, all: output.bytes('stdout') };
    });

    suite.testWith('containers.stdin', 'what is written reaches the process at once, byte for byte', async () => {
      expect((await echoed()).answer).toEqual(LINE);
    });
    suite.testWith('containers.stdin', 'input of 1 MiB arrives whole, and closing it is its end', async () => {
      const { all, result } = await echoed();
      expect(all.subarray(3).equals(BIG)).toBe(true);
      expect(result).toEqual({ reason: 'exited', exitCode: 0 });
    });
    suite.testWith('containers.stdin', 'writing to an input that was closed is a CONFLICT', async () => {
      expect((await echoed()).late.error).toMatchObject({ code: 'CONFLICT' });
    });
    suite.testWith('containers.stdin', 'writing to a container that does not run is a CONFLICT', async () => {
      expect((await echoed()).early.error).toMatchObject({ code: 'CONFLICT' });
    });

    suite.test('without an open standard input the process reads its end', async (bench) => {
      const { container, result } = await bench.run(bench.shell('cat'));
      expect(result).toEqual({ reason: 'exited', exitCode: 0 });
      if (bench.lab.capabilities.containers.stdin) {
        await expectError(bench.runtime.writeStdin(container, new Uint8Array(1)), 'CONFLICT');
      }
    });
  });
}
