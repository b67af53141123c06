import { expect } from 'vitest';
import { expectError } from '../expect-error.ts';
import type { Suite } from '../suite.ts';
import { CONTAINER_CALLS, type ContainerCall } from './calls.ts';

const CALLS: Readonly<Record<string, ContainerCall>> = {
  ...CONTAINER_CALLS,
  stopContainer: { call: (runtime, container) => runtime.stopContainer(container) },
  removeContainer: { call: (runtime, container) => runtime.removeContainer(container, { force: true }) },
};

/** Handles to a container that was replaced under its id. Nothing is started. */
export function instances(suite: Suite): void {
  suite.area('instances', () => {
    const replaced = suite.shared(async (bench) => {
      const first = await bench.create(bench.shell('exit0'));
      const { service, replica } = first;
      await bench.runtime.removeContainer(first);
      const second = await bench.create(bench.shell('exit0'), { service, replica });
      return { first, second, runtime: bench.runtime };
    });

    suite.test('a container that is made anew is another instance', async () => {
      const { first, second } = await replaced();
      expect(second.instance).not.toBe(first.instance);
    });

    for (const [name, { needs, call }] of Object.entries(CALLS)) {
      suite.testWith(needs ?? [], `${name} of a replaced instance is a CONFLICT and leaves its successor`, async () => {
        const { first, second, runtime } = await replaced();
        await expectError(call(runtime, first), 'CONFLICT');
        expect(await runtime.inspectContainer(second)).toMatchObject({
          instance: second.instance,
          state: { status: 'pending' },
        });
      });
    }
  });
}
