import { describe, expect, it } from 'vitest';
import { run } from './container.ts';
import { type FakeProgram, FakeRuntime } from './fake/index.ts';

const greet: FakeProgram = async ({ stdout }) => {
  await stdout.write('hello\n');
  return 3;
};
const endure: FakeProgram = async ({ sleep }) => {
  await sleep(60_000);
  return 0;
};

const fake = (): FakeRuntime =>
  new FakeRuntime({ images: { tool: { programs: { greet, endure }, command: ['greet'] } } });

describe('run', () => {
  it('gives one container with everything it writes and how it ended, and removes it at the end', async () => {
    const runtime = fake();
    {
      await using container = await run(runtime, { image: 'tool' });
      let text = '';
      for await (const { data } of container.output) text += Buffer.from(data);
      expect(text).toBe('hello\n');
      expect(await container.wait()).toEqual({ reason: 'exited', exitCode: 3 });
      const logged: string[] = [];
      for await (const { data } of container.logs()) logged.push(String(Buffer.from(data)));
      expect(logged).toEqual(['hello\n']);
      expect(await runtime.listContainers()).toHaveLength(1);
    }
    expect(await runtime.listContainers()).toEqual([]);
  });

  it('stops, kills and runs commands in this container', async () => {
    await using container = await run(fake(), { image: 'tool', command: { args: ['endure'] } });
    expect(await container.state()).toEqual({ status: 'running' });
    expect(await container.exec(['greet'])).toMatchObject({ exitCode: 3, stdoutText: 'hello\n' });
    expect(await container.stop({ timeoutMs: 1000 })).toEqual({ reason: 'signal', exitCode: 143, signal: 15 });
  });

  it('never acts on a successor of its id', async () => {
    const runtime = fake();
    const id = { service: 'one', replica: 0 };
    const old = await run(runtime, { image: 'tool', command: { args: ['endure'] } }, { id });
    await old.remove();
    await using successor = await run(runtime, { image: 'tool', command: { args: ['endure'] } }, { id });
    await expect(old.kill('SIGKILL')).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await successor.state()).toEqual({ status: 'running' });
  });

  it('leaves no container when the start fails', async () => {
    const runtime = fake();
    await expect(run(runtime, { image: 'tool', command: { args: ['nothing'] } })).rejects.toMatchObject({
      code: 'START_FAILED',
    });
    expect(await runtime.listContainers()).toEqual([]);
  });
});
