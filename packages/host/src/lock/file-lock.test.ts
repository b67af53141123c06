import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sanitizedHost } from '../../test/host-builds.ts';
import { NodeProcess } from '../../test/node-process.ts';
import { FileLock, withFileLock } from './file-lock.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lock-'));
  path = join(directory, 'lock');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('a lock has one holder, also within one process', async () => {
  using first = await FileLock.tryAcquire(path);
  expect(first).toBeDefined();
  expect(await FileLock.tryAcquire(path)).toBeUndefined();
  first?.release();
  using second = await FileLock.tryAcquire(path);
  expect(second).toBeDefined();
});

test('another process cannot take a lock that is held, and a killed one holds none', async () => {
  {
    await using other = await NodeProcess.start('./lock-and-wait.ts', 'lock', path);
    expect(other.line).toBe('ready');
    expect(await FileLock.tryAcquire(path)).toBeUndefined();
    const waiting = FileLock.acquire(path);
    await delay(20);
    await other.kill();
    (await waiting).release();
  }
  using _ = await FileLock.acquire(path);
  await using late = await NodeProcess.start('./lock-and-wait.ts', 'lock', path);
  expect(late.line).toBe('busy');
});

test('work under a lock is never done twice at the same time', async () => {
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 8 }, () =>
      withFileLock(path, async () => {
        inside += 1;
        most = Math.max(most, inside);
        await delay(2);
        inside -= 1;
      }),
    ),
  );
  expect(most).toBe(1);
});

test('waiting for a lock can be given up, and leaves nothing that waits', async () => {
  using held = await FileLock.acquire(path);
  const abort = new AbortController();
  const waiting = FileLock.acquire(path, { signal: abort.signal });
  const watching = FileLock.released(path, { signal: abort.signal });
  setTimeout(() => abort.abort(new Error('enough')), 20);
  // Together: whichever is given up first must have somebody who takes its error.
  await Promise.all([waiting, watching].map((each) => expect(each).rejects.toThrow('enough')));
  held.release();
  using next = await FileLock.tryAcquire(path);
  expect(next).toBeDefined();
});

test('a lock on a file that its holder removed is not taken for the new one', async () => {
  const held = await FileLock.acquire(path);
  const waiting = FileLock.acquire(path);
  await delay(20);
  unlinkSync(path);
  using fresh = await FileLock.tryAcquire(path);
  expect(fresh).toBeDefined();
  held.release();
  await delay(20);
  fresh?.release();
  using last = await waiting;
  expect(await FileLock.tryAcquire(path)).toBeUndefined();
  last.release();
});

test('the release of a lock is told to everybody who waits for it', async () => {
  const held = await FileLock.acquire(path);
  const released = Promise.all([FileLock.released(path), FileLock.released(path)]);
  await delay(20);
  held.release();
  await released;
  await FileLock.released(join(directory, 'never-there'));
});

test('a lock in a directory that is not there is an error that names it', async () => {
  const missing = join(directory, 'nowhere', 'lock');
  await expect(FileLock.tryAcquire(missing)).rejects.toMatchObject({ code: 'NOT_FOUND', subject: missing });
});

test('the program that locks is clean, and waits no longer than whoever started it', { timeout: 60_000 }, async () => {
  const program = sanitizedHost();
  const [mine, other] = [openSync(path, 'w'), openSync(path, 'r+')];
  const run = (mode: string, descriptor: number) => {
    const child = spawn(program, ['--lock', mode], { stdio: ['pipe', 'ignore', 'inherit', descriptor] });
    return { input: child.stdin, ended: once(child, 'exit').then(([code]) => code as number) };
  };
  try {
    expect(await run('try', mine).ended).toBe(0);
    expect(await run('try', other).ended).toBe(1);
    expect(await run('nonsense', other).ended).toBe(2);
    const waiting = ['wait', 'share'].map((mode) => run(mode, other));
    await delay(50);
    for (const { input } of waiting) input?.end();
    expect(await Promise.all(waiting.map(({ ended }) => ended))).toEqual([2, 2]);
  } finally {
    closeSync(mine);
    closeSync(other);
  }
});
