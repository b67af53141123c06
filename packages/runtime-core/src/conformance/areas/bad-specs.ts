import { expect } from 'vitest';
import type { ContainerId } from '../../container-id.ts';
import type { ServiceSpecInput } from '../../service-spec.ts';
import { expectError } from '../expect-error.ts';
import type { Suite } from '../suite.ts';

/** What a spec or an id must not say. Nothing is started. */
export function badSpecs(suite: Suite): void {
  const bad: Readonly<Record<string, Partial<ServiceSpecInput> & Record<string, unknown>>> = {
    'an unknown key': { imagee: 'busybox' },
    'an amount of memory that is none': { resources: { memory: 'lots' } },
    'a variable without a name': { env: { '': 'value' } },
    'a relative working directory': { command: { workdir: 'tmp' } },
    'a user that is none': { user: 'no such/user' },
    'a signal that does not exist': { stopSignal: 'SIGNOTHING' },
    'a NUL in an argument': { command: { args: ['/bin/sh', '\0'] } },
  };

  suite.area('bad specs', () => {
    for (const [what, part] of Object.entries(bad)) {
      suite.test(`a spec with ${what} is INVALID_SPEC and creates nothing`, async (bench) => {
        const id = bench.id();
        await expectError(bench.create({ ...bench.shell('exit0'), ...part }, id), 'INVALID_SPEC');
        await expectError(bench.runtime.containerState(id), 'NOT_FOUND');
      });
    }

    suite.test('a spec without any command is INVALID_SPEC and creates nothing', async (bench) => {
      const id = bench.id();
      await expectError(bench.create({ image: bench.lab.images.shell }, id), 'INVALID_SPEC');
      await expectError(bench.runtime.containerState(id), 'NOT_FOUND');
    });

    suite.test('an id that would be a path is INVALID_SPEC', async (bench) => {
      const ids: ContainerId[] = [
        { service: '../escape', replica: 0 },
        { service: '', replica: 0 },
        { service: 'conformance', replica: -1 },
        { service: 'conformance', replica: 0.5 },
      ];
      for (const id of ids) {
        await expectError(bench.create(bench.shell('exit0'), id), 'INVALID_SPEC');
        await expectError(bench.runtime.containerState(id), 'INVALID_SPEC');
      }
    });

    suite.test('an image that is not there and may not be pulled is NOT_FOUND and creates nothing', async (bench) => {
      const id = bench.id();
      const spec = { ...bench.shell('exit0'), image: bench.lab.images.unknown, pullPolicy: 'never' } as const;
      const error = await expectError(bench.create(spec, id), 'NOT_FOUND');
      expect(`${error.subject} ${error.message}`).toContain(bench.lab.images.unknown);
      await expectError(bench.runtime.containerState(id), 'NOT_FOUND');
    });

    suite.test('an image that does not exist creates nothing', async (bench) => {
      const id = bench.id();
      const spec = { ...bench.shell('exit0'), image: bench.lab.images.unknown };
      await expectError(bench.create(spec, id), 'NOT_FOUND', 'PULL_FAILED', 'NETWORK');
      expect(await bench.runtime.listContainers()).not.toContainEqual(expect.objectContaining({ id }));
    });
  });
}
