import { expect } from 'vitest';
import { expectError } from '../expect-error.ts';
import type { Suite } from '../suite.ts';

/** What is left of a container that was removed. Starts one container. */
export function removal(suite: Suite): void {
  suite.area('removal', () => {
    suite.test('a removed container leaves nothing behind', async (bench) => {
      const { container } = await bench.run(bench.shell('rawBytes'));
      await bench.runtime.removeContainer(container);
      await expectError(bench.runtime.containerState(container), 'NOT_FOUND');
      expect((await bench.lab.leftovers?.(container.instance)) ?? []).toEqual([]);
    });

    suite.test('no container of this suite has left anything behind', async ({ lab, runtime }) => {
      const alive = new Set((await runtime.listContainers()).map(({ instance }) => instance));
      const gone = [...lab.instances].filter((instance) => !alive.has(instance));
      expect(gone.length).toBeGreaterThan(0);
      const left = await Promise.all(gone.map(async (instance) => (await lab.leftovers?.(instance)) ?? []));
      expect(left.flat()).toEqual([]);
      expect(
        [...lab.instances].filter((instance) => alive.has(instance)),
        'all were removed by their tests',
      ).toEqual([]);
    });
  });
}
