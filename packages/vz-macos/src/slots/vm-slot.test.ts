import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { VmSlot } from './vm-slot.ts';

let directory: string;
const children: ChildProcessWithoutNullStreams[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-slots-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await rm(directory, { recursive: true, force: true });
});

function contender(timeout: number) {
  const script = join(import.meta.dirname, '../testing/slot-process.ts');
  const child = spawn(process.execPath, [script, directory, `${timeout}`]);
  children.push(child);
  return { child, says: once(child.stdout, 'data').then(([data]) => `${data}`.trim()) };
}

it('no more than two of three processes have a slot, and a killed one frees it', async () => {
  const three = [contender(0), contender(0), contender(0)];
  const answers = await Promise.all(three.map(({ says }) => says));
  expect([...answers].sort()).toEqual(['CONFLICT', 'has it', 'has it']);
  const waiting = contender(20_000);
  const early = await Promise.race([waiting.says, new Promise((resolve) => setTimeout(resolve, 600, 'waits'))]);
  expect(early).toBe('waits');
  three[answers.indexOf('has it')]?.child.kill('SIGKILL');
  expect(await waiting.says).toBe('has it');
  await expect(VmSlot.acquire({ directory })).rejects.toMatchObject({ code: 'CONFLICT' });
});

it('a released slot goes to whoever waits, and to one of them alone', async () => {
  const first = await VmSlot.acquire({ directory });
  using _second = await VmSlot.acquire({ directory });
  const waiting = [1, 2].map(() => VmSlot.acquire({ directory, timeout: 700 }));
  first.release();
  const results = await Promise.allSettled(waiting);
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  for (const result of results) if (result.status === 'fulfilled') result.value.release();
});

it('of two that become free at once, one who waits takes one', async () => {
  const held = [await VmSlot.acquire({ directory }), await VmSlot.acquire({ directory })];
  const waiting = VmSlot.acquire({ directory, timeout: 5000 });
  for (const slot of held) slot.release();
  using _mine = await waiting;
  using _other = await VmSlot.acquire({ directory });
  await expect(VmSlot.acquire({ directory })).rejects.toMatchObject({ code: 'CONFLICT' });
});

it('waiting ends when it is aborted, and takes nothing', async () => {
  const held = [await VmSlot.acquire({ directory }), await VmSlot.acquire({ directory })];
  const controller = new AbortController();
  const waiting = VmSlot.acquire({ directory, timeout: 20_000, signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 100);
  await expect(waiting).rejects.toThrow('enough');
  for (const slot of held) slot.release();
  using _one = await VmSlot.acquire({ directory });
  using _two = await VmSlot.acquire({ directory });
});
