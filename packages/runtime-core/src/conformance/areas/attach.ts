import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { drain, expectReason } from '../expect-error.ts';
import { OutputRecord } from '../output-record.ts';
import type { Suite } from '../suite.ts';

const LINE = 1024 ** 2;
const LOG_LINES = ['out 1\n', 'out 2\n', 'err 3\n', 'out 4'];
const FLOOD = 32 * 1024 ** 2;

/** The live output, byte for byte, and what holds a workload back. Starts three containers. */
export function attach(suite: Suite): void {
  suite.area('attach', () => {
    const raw = suite.shared(async (bench) => {
      const container = await bench.create(bench.shell('rawBytes'));
      const options = { signal: bench.signal };
      const second = new OutputRecord(bench.runtime.attachContainer(container, options));
      const first = new OutputRecord(bench.runtime.attachContainer(container, options));
      await bench.runtime.startContainer(container);
      await bench.runtime.waitContainer(container);
      await Promise.all([first.ended, second.ended]);
      return { first, second, log: await drain(bench.runtime.logsStream(container)) };
    });
    const binary = Buffer.from([0x61, 0xff, 0xfe, 0x00, 0x62, 0x0a]);

    suite.test('an attachment has the exact bytes, also those that are no UTF-8', async () => {
      const bytes = (await raw()).first.bytes('stdout');
      expect(bytes.subarray(0, binary.length).equals(binary)).toBe(true);
    });

    suite.test('an attachment has a line of 1 MiB whole', async () => {
      const bytes = (await raw()).first.bytes('stdout');
      const expected = Buffer.concat([binary, Buffer.alloc(LINE, 'x'), Buffer.from('\nend\n')]);
      expect(bytes.length).toBe(expected.length);
      expect(bytes.equals(expected)).toBe(true);
    });

    suite.test('every attachment has everything', async () => {
      const { first, second } = await raw();
      expect(second.bytes('stdout').equals(first.bytes('stdout'))).toBe(true);
    });

    suite.test('the log has a line of 1 MiB in parts that make the whole', async () => {
      const { log } = await raw();
      const text = Buffer.concat(log.map(({ data }) => data)).toString();
      expect(text.slice(text.indexOf('\n') + 1) === `${'x'.repeat(LINE)}\nend\n`).toBe(true);
      for (const { data } of log) {
        const newline = data.indexOf(0x0a);
        expect(newline === -1 || newline === data.length - 1).toBe(true);
      }
    });

    suite.test('the log has a line that is no UTF-8, with U+FFFD at worst', async () => {
      const [line] = (await raw()).log;
      expect(Buffer.from(line?.data ?? []).toString()).toBe('a\ufffd\ufffd\0b\n');
    });

    suite.test('a reader that does not keep up slows the workload down, one that is gone does not', async (bench) => {
      const { runtime, lab } = bench;
      const container = await bench.create(bench.shell('flood'));
      const leaving = runtime.attachContainer(container, { signal: bench.signal })[Symbol.asyncIterator]();
      const slow = runtime.attachContainer(container, { signal: bench.signal });
      await runtime.startContainer(container);
      expect((await leaving.next()).done).toBe(false);
      await leaving.return?.();
      await delay(lab.silenceMs);
      expect(await runtime.containerState(container)).toEqual({ status: 'running' });
      let size = 0;
      for await (const { data } of slow) size += data.byteLength;
      expect(size).toBe(FLOOD);
      expect(await runtime.waitContainer(container)).toEqual({ reason: 'exited', exitCode: 0 });
    });

    suite.test('a container that has ended is attached to for its next run', async (bench) => {
      const { container, output } = await bench.run(bench.shell('logLines'));
      const again = await bench.rerun(container);
      expect([again.stdout, again.stderr]).toEqual([output.stdout, output.stderr]);
      const texts = (await bench.runtime.containerLogs(container)).map(({ data }) => Buffer.from(data).toString());
      expect(texts, 'the log has both runs').toEqual([...LOG_LINES, ...LOG_LINES]);
      const reading = drain(bench.runtime.attachContainer(container, { signal: bench.signal }));
      await bench.runtime.removeContainer(container);
      expect(await reading, 'the removal ends it').toEqual([]);
    });

    suite.test('an aborted attachment ends with the reason of its signal', async (bench) => {
      const container = await bench.create(bench.shell('exit0'));
      const controller = new AbortController();
      const reason = new Error('enough');
      const reading = drain(bench.runtime.attachContainer(container, { signal: controller.signal }));
      controller.abort(reason);
      await expectReason(reading, reason);
    });
  });
}
