import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { imageFault } from './check-image.ts';
import { ErofsWriter } from './erofs-writer.ts';

let folder: string;
let image: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'erofs-check-'));
  image = join(folder, 'image');
  await using writer = await ErofsWriter.create(image);
  const data = await writer.addFile([Buffer.alloc(10_000, 'x')]);
  const common = { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
  await writer.finish({ ...common, type: 'directory', entries: [['x', { ...common, type: 'file', data }]] });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('an image that is whole has no fault', async () => {
  expect(await imageFault(image)).toBeUndefined();
});

test.each<[string, (bytes: Buffer) => Buffer, RegExp]>([
  ['cut off', (bytes) => bytes.subarray(0, -4096), /bytes instead of/],
  ['empty', () => Buffer.alloc(0), /no EROFS image/],
  ['something else', (bytes) => bytes.fill(1), /no EROFS image/],
  ['of a changed superblock', (bytes) => bytes.fill(7, 1024 + 36, 1024 + 37), /superblock is damaged/],
])('an image that is %s has one', async (_, change, fault) => {
  writeFileSync(image, change(readFileSync(image)));
  expect(await imageFault(image)).toMatch(fault);
});
