import { expect } from 'vitest';
import { expectError } from '../expect-error.ts';
import { settle } from '../settle.ts';
import type { Suite } from '../suite.ts';

/** Exit codes, and signals that are sent, handled, ignored and died of. Starts seven containers. */
export function exits(suite: Suite): void {
  suite.area('exit codes and signals', () => {
    suite.test('a success is a success', async (bench) => {
      const { container, result } = await bench.run(bench.shell('exit0'));
      expect(result).toEqual({ reason: 'exited', exitCode: 0 });
      expect(await bench.runtime.containerState(container)).toEqual({ status: 'exited', exitCode: 0 });
    });

    suite.test('an exit code above 128 is no signal', async (bench) => {
      const { result } = await bench.run(bench.shell('exit137'));
      expect(result).toEqual({ reason: 'exited', exitCode: 137 });
    });

    suite.test('a signal death is 128 + N and names the signal', async (bench) => {
      const { container, result } = await bench.run(bench.shell('dieOfSegv'));
      expect(result).toEqual({ reason: 'signal', exitCode: 139, signal: 11 });
      expect(await bench.runtime.containerState(container)).toEqual({ status: 'exited', exitCode: 139 });
      expect(await bench.runtime.inspectContainer(container)).toMatchObject({ exit: result });
    });

    const signalled = suite.shared(async (bench) => {
      const { runtime } = bench;
      const { container, output } = await bench.start(bench.shell('reportSignals', { stopSignal: 'SIGINT' }));
      await output.shows('ready');
      const sent = [];
      for (const signal of ['SIGHUP', 'usr1', 10, 'HUP']) {
        sent.push(await settle(runtime.killContainer(container, signal)));
        const lines = 1 + sent.length;
        while (output.stdout.split('\n').length <= lines) await output.next();
      }
      const unknown = await settle(runtime.killContainer(container, 'SIGNOTHING'));
      const state = await settle(runtime.containerState(container));
      await runtime.stopContainer(container);
      const result = await runtime.waitContainer(container);
      const late = await settle(runtime.killContainer(container, 'TERM'));
      return { sent, stdout: output.stdout, unknown, state, result, late };
    });

    suite.test('a signal reaches the process by name, by short name and by number', async () => {
      const { sent, stdout } = await signalled();
      expect(sent).toEqual(Array(4).fill({ value: undefined }));
      expect(stdout).toBe('ready\nHUP\nUSR1\nUSR1\nHUP\n');
    });
    suite.test('a signal that is handled does nothing else', async () => {
      expect((await signalled()).state).toEqual({ value: { status: 'running' } });
    });
    suite.test('an unknown signal is INVALID_SPEC and becomes no other one', async () => {
      const { unknown, state } = await signalled();
      expect(unknown.error).toMatchObject({ code: 'INVALID_SPEC' });
      expect(state.value).toEqual({ status: 'running' });
    });
    suite.test("stopping sends the spec's stop signal", async () => {
      expect((await signalled()).result).toEqual({ reason: 'exited', exitCode: 41 });
    });
    suite.test('a signal to a container that has ended is a CONFLICT', async () => {
      expect((await signalled()).late.error).toMatchObject({ code: 'CONFLICT' });
    });

    suite.test('a signal to a container that was not started is a CONFLICT', async (bench) => {
      const container = await bench.create(bench.shell('exit0'));
      await expectError(bench.runtime.killContainer(container, 'TERM'), 'CONFLICT');
    });

    suite.test('SIGKILL ends a process, which is a signal death', async (bench) => {
      const { container, output } = await bench.start(bench.shell('ignoreTerm'));
      await output.shows('ready');
      await bench.runtime.killContainer(container, 'KILL');
      expect(await bench.runtime.waitContainer(container)).toEqual({ reason: 'signal', exitCode: 137, signal: 9 });
    });

    suite.test('a signal does not wait for a stop that is under way', async (bench) => {
      const { container, output } = await bench.start(bench.shell('ignoreTerm', { stopGracePeriod: 600_000 }));
      await output.shows('ready');
      const stopped = bench.runtime.stopContainer(container);
      await bench.lab.events.status(container.instance, 'stopping');
      await bench.runtime.killContainer(container, 'KILL');
      await stopped;
      expect(await bench.runtime.waitContainer(container)).toEqual({ reason: 'signal', exitCode: 137, signal: 9 });
    });

    suite.test('a process that ignores the stop signal is killed after the grace period, not before', async (bench) => {
      const { container, output } = await bench.start(bench.shell('ignoreTerm', { stopGracePeriod: 600_000 }));
      await output.shows('ready');
      const began = performance.now();
      const stopped = bench.runtime.stopContainer(container, { timeoutMs: 700 });
      await bench.lab.events.status(container.instance, 'stopping');
      expect(await bench.runtime.containerState(container)).toEqual({ status: 'stopping' });
      await stopped;
      expect(performance.now() - began).toBeGreaterThanOrEqual(690);
      expect(await bench.runtime.waitContainer(container)).toEqual({ reason: 'signal', exitCode: 137, signal: 9 });
    });
  });
}
