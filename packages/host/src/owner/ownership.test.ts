import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NodeProcess } from '../../test/node-process.ts';
import { findOwner, Ownership, ownerGone } from './ownership.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'owner-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('a directory has one owner, whom others can name', async () => {
  const first = await Ownership.claim(directory, { instance: 'one' });
  expect(first.previous).toBeUndefined();
  expect(await findOwner(directory)).toEqual(first.owner);
  expect(first.owner).toMatchObject({ pid: process.pid, instance: 'one' });
  expect(statSync(join(directory, 'owner.json')).mode & 0o777).toBe(0o600);
  await expect(Ownership.claim(directory)).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining(`process ${process.pid} owns it`),
    subject: directory,
  });
  await first.release();
  expect(await findOwner(directory)).toBeUndefined();
  await using second = await Ownership.claim(directory);
  expect(second.previous).toBeUndefined();
});

test('what a killed owner left is adopted, by one of those who want it', async () => {
  await using other = await NodeProcess.start('./lock-and-wait.ts', 'own', directory);
  expect(other.line).toBe('ready');
  expect((await findOwner(directory))?.pid).toBe(other.process.pid);
  await expect(Ownership.claim(directory)).rejects.toMatchObject({ code: 'CONFLICT' });
  const gone = ownerGone(directory);
  await delay(20);
  await other.kill();
  await gone;
  expect(await findOwner(directory)).toBeUndefined();
  const claims = await Promise.allSettled(Array.from({ length: 5 }, () => Ownership.claim(directory)));
  const owners = claims.flatMap((claim) => (claim.status === 'fulfilled' ? [claim.value] : []));
  expect(owners.length).toBe(1);
  expect(owners[0]?.previous?.pid).toBe(other.process.pid);
  await owners[0]?.release();
});

test('who waits for an owner becomes the next one', async () => {
  await using other = await NodeProcess.start('./lock-and-wait.ts', 'own', directory);
  const waiting = Ownership.claim(directory, { wait: true });
  await delay(20);
  await other.kill();
  await using next = await waiting;
  expect(next.previous?.pid).toBe(other.process.pid);
});

test('a process that has the number of a dead owner is not taken for it', async () => {
  writeFileSync(
    join(directory, 'owner.json'),
    JSON.stringify({ version: 1, pid: process.pid, startTime: 'another boot/1', instance: 'x', claimedAt: 'then' }),
  );
  expect(await findOwner(directory)).toBeUndefined();
  await using next = await Ownership.claim(directory);
  expect(next.previous?.instance).toBe('x');
});

test.each(['', '{', '[]', '{"version":1,"pid":"1"}', '\0'.repeat(100)])(
  'a torn record %j names nobody',
  async (text) => {
    writeFileSync(join(directory, 'owner.json'), text);
    expect(await findOwner(directory)).toBeUndefined();
    await using owner = await Ownership.claim(directory);
    expect(owner.previous).toBeUndefined();
  },
);

test('an owner that removed its directory can still let go', async () => {
  const owner = await Ownership.claim(directory);
  rmSync(directory, { recursive: true });
  await owner.release();
  await expect(Ownership.claim(directory)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  mkdirSync(directory);
});
