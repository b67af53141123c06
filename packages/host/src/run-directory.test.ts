import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MAX_SOCKET_PATH_BYTES, removeRunDirectory, runDirectory, socketPath } from './run-directory.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'run-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('the same key gives the same private directory, another key another', async () => {
  const base = join(root, 'base');
  const one = await runDirectory('/data/qemu/containers/db-0', { base });
  expect(await runDirectory('/data/qemu/containers/db-0', { base })).toBe(one);
  expect(await runDirectory('/data/qemu/containers/db-1', { base })).not.toBe(one);
  expect(statSync(one).mode & 0o777).toBe(0o700);
  expect(statSync(base).mode & 0o777).toBe(0o700);
});

test('XDG_RUNTIME_DIR is used if it is private, and passed over if it is not', async () => {
  expect(await runDirectory('key', { env: { XDG_RUNTIME_DIR: root } })).toMatch(join(root, 'zlayer'));
  chmodSync(root, 0o755);
  const other = await runDirectory(root, { env: { XDG_RUNTIME_DIR: root } });
  expect(other.startsWith(root)).toBe(false);
  await removeRunDirectory(other);
});

test('a directory or link that somebody planted is refused, not followed', async () => {
  const base = join(root, 'base');
  symlinkSync(root, base);
  await expect(runDirectory('key', { base })).rejects.toMatchObject({ code: 'UNAVAILABLE', subject: base });
  const open = join(root, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  await expect(runDirectory('key', { base: open })).rejects.toMatchObject({ code: 'UNAVAILABLE', subject: open });
  const file = join(root, 'file');
  writeFileSync(file, '');
  await expect(runDirectory('key', { base: file })).rejects.toMatchObject({ code: 'UNAVAILABLE', subject: file });
  const missing = join(root, 'no', 'where');
  await expect(runDirectory('key', { base: missing })).rejects.toMatchObject({ code: 'UNAVAILABLE', subject: missing });
});

test('a path that no socket can have is an error that names it, before anything is made', async () => {
  const base = join(root, 'x'.repeat(80));
  await expect(runDirectory('key', { base })).rejects.toThrow(base);
  expect(() => statSync(base)).toThrow();
  const name = 'n'.repeat(MAX_SOCKET_PATH_BYTES - '/run/'.length);
  expect(socketPath('/run', name)).toBe(`/run/${name}`);
  expect(() => socketPath('/run', `${name}n`)).toThrow(`/run/${name}n has 104 bytes`);
  expect(() => socketPath('/run', 'ü'.repeat(50))).toThrow('has 105 bytes');
});

test('removing a run directory leaves what its links point to', async () => {
  const directory = await runDirectory('key', { base: join(root, 'base') });
  writeFileSync(join(root, 'precious'), 'kept');
  symlinkSync(join(root, 'precious'), join(directory, 'link'));
  symlinkSync(directory, join(root, 'alias'));
  await removeRunDirectory(join(root, 'alias'));
  expect(statSync(directory).isDirectory()).toBe(true);
  await removeRunDirectory(directory);
  await removeRunDirectory(directory);
  expect(() => statSync(directory)).toThrow();
  expect(readFileSync(join(root, 'precious'), 'utf8')).toBe('kept');
});

test('a directory that others remove all the time is made all the same', async () => {
  const directory = await runDirectory('key', { base: root });
  for (let round = 0; round < 200; round += 1) {
    const made = runDirectory('key', { base: root });
    for (let times = 0; times < 5; times += 1) await rmdir(directory).catch(() => {});
    expect(await made).toBe(directory);
  }
});
