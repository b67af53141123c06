import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startRegistry } from '../src/testing/index.ts';

const answers = (host: string) =>
  fetch(`http://${host}/v2/`).then(
    ({ ok }) => ok,
    () => false,
  );

test('a registry ends with the process that started it, even if that is killed', async () => {
  const program = fileURLToPath(new URL('registry-process.ts', import.meta.url));
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = await once(child.stdout, 'data');
    const host = String(line).trim();
    expect(await answers(host)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    for (let attempt = 0; attempt < 100 && (await answers(host)); attempt++) await sleep(20);
    expect(await answers(host)).toBe(false);
  } finally {
    child.kill('SIGKILL');
  }
});

test('several registries run side by side, and each is gone when it is closed', async () => {
  const registries = await Promise.all([startRegistry(), startRegistry()]);
  const hosts = registries.map(({ host }) => host);
  expect(new Set(hosts).size).toBe(2);
  expect(await Promise.all(hosts.map(answers))).toEqual([true, true]);
  for (const registry of registries) await registry.close();
  expect(await Promise.all(hosts.map(answers))).toEqual([false, false]);
});
