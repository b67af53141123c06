import { expect, test } from 'vitest';
import type { FakeProgram } from './fake-program.ts';
import { FakeRuntime } from './fake-runtime.ts';

const MIB = 1024 ** 2;

test('a container that asks for more memory than there is gets what there is, and its start says so', async () => {
  const fill: FakeProgram = async ({ allocate }) => {
    await allocate(8 * MIB);
    return await allocate(1).then(() => 0);
  };
  const image = { programs: { fill }, command: ['fill'] };
  await using runtime = new FakeRuntime({ images: { image }, maxMemoryBytes: 8 * MIB });
  const { id } = await runtime.createContainer({ service: 'big', replica: 0 }, { image: 'image' });
  const events = runtime.events()[Symbol.asyncIterator]();
  const { warnings } = await runtime.startContainer(id);
  expect(warnings).toMatchObject([{ kind: 'reduced', field: 'resources.memory', asked: 512 * MIB, given: 8 * MIB }]);
  let event = await events.next();
  while (event.value?.type !== 'warning') event = await events.next();
  expect(event.value.message).toBe(warnings[0]?.message);
  expect(await runtime.waitContainer(id)).toEqual({ reason: 'oom-killed', exitCode: 137 });
});
