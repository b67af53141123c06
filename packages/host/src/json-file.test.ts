import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readJsonFile } from './json-file.ts';
import { writeFileAtomic } from './write-file-atomic.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'json-'));
  path = join(directory, 'state.json');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('readers of a file that is replaced all the time never see a part of it', async () => {
  const values = ['a', 'b'].map((letter) => letter.repeat(200_000));
  await writeFileAtomic(path, JSON.stringify(values[0]));
  const writing = (async () => {
    for (let i = 0; i < 40; i += 1) await writeFileAtomic(path, JSON.stringify(values[i % 2]));
  })();
  for (let i = 0; i < 100; i += 1) expect(values).toContain(await readJsonFile(path));
  await writing;
  expect(readdirSync(directory)).toEqual(['state.json']);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('a write that fails leaves the old content and nothing else', async () => {
  const folder = join(directory, 'folder');
  await writeFileAtomic(join(directory, 'folder-parent'), '1');
  await expect(writeFileAtomic(join(directory, 'missing', 'x'), '1')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  writeFileSync(path, '1');
  await expect(writeFileAtomic(join(path, 'x'), '2')).rejects.toMatchObject({ code: 'INTERNAL' });
  expect(await readJsonFile(path)).toBe(1);
  expect(readdirSync(directory).sort()).toEqual(['folder-parent', 'state.json']);
  expect(await readJsonFile(folder)).toBe(undefined);
});

test('what is torn, too long or no file is an error that names it, not an empty value', async () => {
  writeFileSync(path, '{"a":');
  await expect(readJsonFile(path)).rejects.toMatchObject({ code: 'INTERNAL', subject: path });
  truncateSync(path, 1000);
  await expect(readJsonFile(path, { maxBytes: 999 })).rejects.toThrow('longer than 999 bytes');
  await expect(readJsonFile(directory)).rejects.toMatchObject({ code: 'INTERNAL' });
});
