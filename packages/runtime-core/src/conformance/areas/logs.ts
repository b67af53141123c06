import { expect } from 'vitest';
import type { LogChunk, LogOptions } from '../../output.ts';
import { drain, expectError, expectReason } from '../expect-error.ts';
import type { Suite } from '../suite.ts';

const LINES = ['out 1\n', 'out 2\n', 'err 3\n', 'out 4'];

function texts(chunks: readonly LogChunk[]): string[] {
  return chunks.map(({ data }) => Buffer.from(data).toString());
}

/** The recorded output and every way to read a part of it. Starts two containers. */
export function logs(suite: Suite): void {
  suite.area('logs', () => {
    const logged = suite.shared(async (bench) => {
      const container = await bench.create(bench.shell('logLines'));
      const followed = drain(bench.runtime.logsStream(container, { follow: true, signal: bench.signal }));
      const before = new Date();
      await bench.runtime.startContainer(container);
      await bench.runtime.waitContainer(container);
      const { runtime } = bench;
      return { runtime, container, before, followed: await followed, all: await drain(runtime.logsStream(container)) };
    });

    suite.test('the log has every line of both streams in order, with the end that has no newline', async () => {
      const { all } = await logged();
      expect(texts(all)).toEqual(LINES);
      expect(all.map(({ stream }) => stream)).toEqual(['stdout', 'stdout', 'stderr', 'stdout']);
    });

    suite.test('each line of the log has the time of its arrival', async () => {
      const { all, before } = await logged();
      const times = all.map(({ time }) => time.getTime());
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(times[0]).toBeGreaterThanOrEqual(before.getTime() - 1);
      // There was a pause between the streams: a log that is stamped at its end would not show it.
      expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThan(10);
    });

    suite.test('following from before the start gets the whole log and ends with the container', async () => {
      const { followed } = await logged();
      expect(texts(followed)).toEqual(LINES);
    });

    suite.test('following a container that has ended ends', async () => {
      const { runtime, container } = await logged();
      expect(texts(await drain(runtime.logsStream(container, { follow: true })))).toEqual(LINES);
    });

    suite.test('containerLogs gives the whole log', async () => {
      const { runtime, container } = await logged();
      expect(texts(await runtime.containerLogs(container))).toEqual(LINES);
    });

    for (const tail of [0, 1, 3, 100]) {
      suite.test(`tail ${tail} gives the last ${tail} lines`, async () => {
        const { runtime, container } = await logged();
        const expected = LINES.slice(Math.max(0, LINES.length - tail));
        expect(texts(await drain(runtime.logsStream(container, { tail })))).toEqual(expected);
        expect(texts(await runtime.containerLogs(container, { tail }))).toEqual(expected);
      });
    }

    suite.test('reading goes on behind any cursor, with nothing missing and nothing twice', async () => {
      const { runtime, container, all } = await logged();
      expect(new Set(all.map(({ cursor }) => cursor)).size).toBe(all.length);
      for (const [index, { cursor }] of all.entries()) {
        expect(texts(await drain(runtime.logsStream(container, { cursor })))).toEqual(LINES.slice(index + 1));
      }
    });

    suite.test('since is a time that is in, until one that is out', async () => {
      const { runtime, container, all } = await logged();
      const [, , third] = all;
      const time = third?.time ?? new Date(Number.NaN);
      expect(texts(await drain(runtime.logsStream(container, { since: time })))).toEqual(LINES.slice(2));
      expect(texts(await drain(runtime.logsStream(container, { until: time })))).toEqual(LINES.slice(0, 2));
    });

    suite.test('each stream can be read alone', async () => {
      const { runtime, container } = await logged();
      expect(texts(await drain(runtime.logsStream(container, { stderr: false })))).toEqual([
        'out 1\n',
        'out 2\n',
        'out 4',
      ]);
      expect(texts(await drain(runtime.logsStream(container, { stdout: false })))).toEqual(['err 3\n']);
    });

    suite.test('tail counts only what the other options let pass', async () => {
      const { runtime, container, all } = await logged();
      const read = async (options: LogOptions): Promise<string[]> =>
        texts(await drain(runtime.logsStream(container, options)));
      expect(await read({ tail: 1, stdout: false })).toEqual(['err 3\n']);
      expect(await read({ tail: 2, stderr: false })).toEqual(['out 2\n', 'out 4']);
      expect(await read({ tail: 1, until: all[2]?.time ?? new Date(0) })).toEqual(['out 2\n']);
      expect(await read({ tail: 3, since: all[2]?.time ?? new Date(0) })).toEqual(['err 3\n', 'out 4']);
      expect(await read({ tail: 1, cursor: all[0]?.cursor, stderr: false })).toEqual(['out 4']);
      expect(await read({ tail: 1, stdout: false, follow: true })).toEqual(['err 3\n']);
    });

    suite.test('what is no cursor of the log is INVALID_SPEC', async () => {
      const { runtime, container } = await logged();
      await expectError(drain(runtime.logsStream(container, { cursor: 'nonsense' })), 'INVALID_SPEC');
    });

    suite.test('a container that was not started has an empty log', async (bench) => {
      expect(await bench.runtime.containerLogs(await bench.create(bench.shell('exit0')))).toEqual([]);
    });

    suite.test('an aborted follow ends with the reason of its signal, after what there was', async (bench) => {
      const { container, output } = await bench.start(bench.shell('untilTerm'));
      await output.shows('ready');
      const controller = new AbortController();
      const reason = new Error('enough');
      const seen: string[] = [];
      const follow = async (): Promise<void> => {
        for await (const { data } of bench.runtime.logsStream(container, { follow: true, signal: controller.signal })) {
          seen.push(Buffer.from(data).toString());
          controller.abort(reason);
        }
      };
      await expectReason(follow(), reason);
      expect(seen).toEqual(['ready\n']);
      expect(await bench.runtime.containerState(container)).toEqual({ status: 'running' });
    });
  });
}
