import { expect } from 'vitest';
import { formatContainerId } from '../../container-id.ts';
import { expectError } from '../expect-error.ts';
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
