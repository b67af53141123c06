import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeAbandonedDrafts, withLockFile } from './lock-file.ts';
import { isGone, ownIdentity } from './process-identity.ts';

let directory: string;
let lock: string;
const nonce = '01234567-89ab-cdef-0123-456789abcdef';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'zlayer-lock-'));
  lock = join(directory, 'lock');
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

test('only one action runs at a time, and the lock is gone after it, also when it failed', async () => {
  let running = 0;
  let most = 0;
  const action = async () => {
    most = Math.max(most, ++running);
    await sleep(5);
    running--;
    throw new Error('failed');
  };
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => withLockFile(lock, action)));
  expect(results.every(({ status }) => status === 'rejected')).toBe(true);
  expect(most).toBe(1);
  expect(readdirSync(directory)).toEqual([]);
});

test.each([
  ['of a process that died', `${spawnSync('true').pid}-unknown ${nonce}`],
  ['that a power cut left empty', ''],
  ['that a power cut left as zeros', '\0'.repeat(60)],
])('the lock %s is taken over by exactly one at a time', async (_, content) => {
  writeFileSync(lock, content);
  let running = 0;
  let most = 0;
  const action = async () => {
    most = Math.max(most, ++running);
    await sleep(2);
    running--;
  };
  await Promise.all(Array.from({ length: 8 }, () => withLockFile(lock, action)));
  expect(most).toBe(1);
  expect(readdirSync(directory)).toEqual([]);
});

test('the lock of a process whose number was given to another one is taken over', async () => {
  writeFileSync(lock, `${process.pid}-00000000.1 ${nonce}`);
  expect(await withLockFile(lock, async () => 'done')).toBe('done');
});

test('the lock of a living process is waited for, until the caller gives up', async () => {
  writeFileSync(lock, `${ownIdentity()} ${nonce}`);
  const signal = AbortSignal.timeout(50);
  await expect(withLockFile(lock, async () => 'done', signal)).rejects.toThrow();
  expect(existsSync(lock)).toBe(true);
});

test('what a process left that died while it took a lock is cleared away, and nothing else', async () => {
  const { pid } = spawnSync('true');
  writeFileSync(`${lock}.lock.${nonce}`, `${pid}-unknown ${nonce}`);
  const alive = `another.lock.${nonce}`;
  writeFileSync(join(directory, alive), `${ownIdentity()} ${nonce}`);
  writeFileSync(join(directory, 'file'), `${pid}-unknown ${nonce}`);
  await removeAbandonedDrafts(directory);
  expect(readdirSync(directory).sort()).toEqual([alive, 'file']);
});

test('what cannot be told counts as alive', () => {
  expect(isGone(ownIdentity())).toBe(false);
  expect(isGone('')).toBe(false);
  expect(isGone('not a process')).toBe(false);
  expect(isGone(`${process.pid}-unknown`)).toBe(false);
  expect(isGone(`${process.pid}-00000000.1`)).toBe(true);
});
