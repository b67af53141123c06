import { expect } from 'vitest';
import type { RuntimeCapabilities } from '../../capabilities.ts';
import { type Capability, DECLARED } from '../capability.ts';
import { expectError } from '../expect-error.ts';
import type { Suite } from '../suite.ts';
import { CONTAINER_CALLS, RUNTIME_CALLS } from './calls.ts';

/** What a runtime does not declare. Nothing is started. */
export function unsupported(suite: Suite): void {
  suite.area('unsupported calls', () => {
    for (const [name, { needs, call }] of Object.entries(CONTAINER_CALLS)) {
      if (needs === undefined) continue;
      const undeclared = undeclaredOnly(needs);
      suite.testWith(undeclared, `${name} is UNSUPPORTED and names the runtime and the call`, async (bench) => {
        const container = await bench.create(bench.shell('exit0'));
        await expectNamed(call(bench.runtime, container), bench.runtime.name, name);
      });
    }
    for (const [name, { needs, call }] of Object.entries(RUNTIME_CALLS)) {
      const undeclared = undeclaredOnly(needs);
      suite.testWith(undeclared, `${name} is UNSUPPORTED and names the runtime and the call`, async (bench) => {
        await expectNamed(call(bench.runtime, bench.lab.images.shell), bench.runtime.name, name);
      });
    }
    suite.testWith(
      undeclaredOnly('users.names'),
      'a user by name is refused when it is not declared, and never becomes root',
      async (bench) => {
        const start = async (): Promise<void> => {
          await bench.start(bench.shell('exit0', { user: 'tester' }));
        };
        await expectError(start(), 'UNSUPPORTED');
      },
    );
  });
}

function undeclaredOnly(capability: Capability): (capabilities: RuntimeCapabilities) => boolean {
  return (capabilities) => !DECLARED[capability](capabilities);
}

async function expectNamed(promise: Promise<unknown>, runtime: string, call: string): Promise<void> {
  const error = await expectError(promise, 'UNSUPPORTED');
  expect(error.message).toContain(runtime);
  // "execStream with a terminal" is a call of execStream.
  expect(error.message).toContain(call.split(' ')[0]);
}
