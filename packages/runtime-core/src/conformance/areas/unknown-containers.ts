import { expect } from 'vitest';
import { formatContainerId } from '../../container-id.ts';
import { drain, expectError, expectReason } from '../expect-error.ts';
import type { Suite } from '../suite.ts';
import { CONTAINER_CALLS } from './calls.ts';

/** Calls about a container that does not exist. Nothing is started. */
export function unknownContainers(suite: Suite): void {
  suite.area('unknown containers', () => {
    for (const [name, { needs, call }] of Object.entries(CONTAINER_CALLS)) {
      suite.testWith(needs ?? [], `${name} of an unknown container is NOT_FOUND and names it`, async (bench) => {
        const id = bench.id();
        const error = await expectError(call(bench.runtime, id), 'NOT_FOUND');
        expect(`${error.subject} ${error.message}`).toContain(formatContainerId(id));
      });
    }

    suite.test('a call that gives a stream fails when it is read, not before', async (bench) => {
      const id = bench.id();
      const { runtime } = bench;
      const unknown: readonly (() => AsyncIterable<unknown>)[] = [
        () => runtime.logsStream(id),
        () => runtime.attachContainer(id),
        () => runtime.statsStream(id),
      ];
      for (const open of unknown) await expectError(drain(open()), 'NOT_FOUND', 'UNSUPPORTED');
      const reason = new Error('enough');
      const aborted = { signal: AbortSignal.abort(reason) };
      const container = await bench.create(bench.shell('exit0'));
      const streams: readonly (() => AsyncIterable<unknown>)[] = [
        () => runtime.logsStream(container, aborted),
        () => runtime.attachContainer(container, aborted),
        () => runtime.events(aborted),
      ];
      for (const open of streams) await expectReason(drain(open()), reason);
    });

    suite.test('stopping and removing an unknown container has nothing left to do', async (bench) => {
      const id = bench.id();
      await bench.runtime.stopContainer(id);
      await bench.runtime.removeContainer(id);
      await bench.runtime.removeContainer(id, { force: true });
    });

    suite.test('waiting until an unknown container is removed ends at once and is no success', async (bench) => {
      const result = await bench.runtime.waitContainer(bench.id(), { condition: 'removed' });
      expect(result).toMatchObject({ reason: 'runtime-error', exitCode: undefined });
    });
  });
}
