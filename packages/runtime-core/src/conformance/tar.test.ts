import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readTar, writeTar } from './tar.ts';

const LONG = `${'d'.repeat(90)}/${'é'.repeat(60)}`;
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tar-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('tar unpacks what is written here', () => {
  const archive = writeTar([
    { name: 'd'.repeat(90), type: 'directory', mode: 0o700 },
    { name: LONG, mode: 0o640, data: Buffer.from('content'), modifiedAt: new Date(1_000_000_000_000) },
    { name: 'link', type: 'link', linkTarget: LONG },
    { name: 'empty' },
  ]);
  execFileSync('tar', ['-xf', '-', '-C', directory], { input: archive });
  expect(readFileSync(join(directory, LONG), 'utf8')).toBe('content');
  expect(statSync(join(directory, LONG)).mode & 0o7777).toBe(0o640);
  expect(statSync(join(directory, LONG)).mtimeMs).toBe(1_000_000_000_000);
  expect(readlinkSync(join(directory, 'link'))).toBe(LONG);
  expect(statSync(join(directory, 'empty')).size).toBe(0);
});

test.each(['pax', 'gnu', 'ustar'])('an archive that tar writes in the format %s is read here', (format) => {
  const name = format === 'ustar' ? `${'d'.repeat(90)}/${'e'.repeat(60)}` : LONG;
  mkdirSync(join(directory, 'd'.repeat(90)));
  writeFileSync(join(directory, name), 'content', { mode: 0o640 });
  symlinkSync('elsewhere', join(directory, 'link'));
  const entries = readTar(
    execFileSync('tar', ['-C', directory, `--format=${format}`, '-cf', '-', 'd'.repeat(90), 'link']),
  );
  expect(entries.map(({ name: each, type }) => [each, type])).toEqual([
    ['d'.repeat(90), 'directory'],
    [name, 'file'],
    ['link', 'link'],
  ]);
  expect(entries[1]).toMatchObject({ mode: 0o640, data: Buffer.from('content') });
  expect(entries[2]?.linkTarget).toBe('elsewhere');
});

test('what is no archive, or half of one, is an error', () => {
  const archive = writeTar([{ name: 'a', data: Buffer.alloc(1000) }]);
  for (const bad of [
    Buffer.alloc(0),
    Buffer.from('x'.repeat(1024)),
    archive.subarray(0, 700),
    archive.subarray(0, 1536),
  ]) {
    expect(() => readTar(bad)).toThrow();
  }
});
