import { expect } from 'vitest';
import { expectError } from '../expect-error.ts';
import type { Suite } from '../suite.ts';

/** Who runs the process. Starts up to two containers. */
export function users(suite: Suite): void {
  suite.area('users', () => {
    suite.test('a user by number runs the process, also one that the image does not know', async (bench) => {
      const { output } = await bench.run(bench.shell('surroundings', { user: '4321:8765' }));
      expect(output.stdout).toMatch(/^uid 4321\ngid 8765$/m);
    });

    suite.testWith('users.names', 'a user by name is looked up in the container, with its group', async (bench) => {
      const { output } = await bench.run(bench.shell('surroundings', { user: 'tester' }));
      expect(output.stdout).toMatch(/^uid 1234\ngid 1235$/m);
    });

    suite.testWith('users.names', 'a group by name is looked up in the container', async (bench) => {
      const { output } = await bench.run(bench.shell('surroundings', { user: 'tester:others' }));
      expect(output.stdout).toMatch(/^uid 1234\ngid 1236$/m);
    });

    suite.testWith('users.names', 'an unknown user is an error that names it, never root', async (bench) => {
      const start = async (): Promise<void> => {
        await bench.start(bench.shell('surroundings', { user: 'nobodyknows' }));
      };
      const error = await expectError(start(), 'START_FAILED', 'CREATE_FAILED');
      expect(error.message).toContain('nobodyknows');
    });
  });
}
