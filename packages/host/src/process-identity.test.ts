import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { isAlive, processIdentity } from './process-identity.ts';

test('a process is told apart from another with the same pid, and from none', async () => {
  const child = spawn('/bin/cat', { stdio: ['pipe', 'ignore', 'ignore'] });
  await once(child, 'spawn');
  const identity = processIdentity(child.pid ?? 0);
  if (identity === undefined) throw new Error('the process has no identity');
  expect(isAlive(identity)).toBe(true);
  expect(isAlive({ ...identity, startTime: `${identity.startTime}0` })).toBe(false);
  child.stdin.end();
  await once(child, 'exit');
  expect(isAlive(identity)).toBe(false);
  for (const pid of [0, -1, 1.5, 2 ** 40]) expect(processIdentity(pid)).toBe(undefined);
});

test('a process that has ended is dead before its parent has reaped it', async () => {
  // exec makes the shell a sleep that never asks about its children, so the child stays a zombie.
  const parent = spawn('/bin/sh', ['-c', 'sleep 0.05 & echo $!; exec sleep 5'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const identity = processIdentity(Number(line.toString()));
  if (identity === undefined) throw new Error('the process has no identity');
  await delay(150);
  expect(isAlive(identity)).toBe(false);
  parent.kill('SIGKILL');
  await once(parent, 'exit');
});
