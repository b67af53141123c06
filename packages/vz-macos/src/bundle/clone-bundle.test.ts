import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cloneBundle } from './clone-bundle.ts';

const disk = Buffer.alloc(8 * 1024 * 1024 + 5);
disk.fill('what the guest wrote', 3_000_001, 3_200_000);

let scratch: string;
let source: string;
let directory: string;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'zlayer-bundle-'));
  source = join(scratch, 'base');
  directory = join(scratch, 'clones', 'one');
  await mkdir(source);
  await writeFile(join(source, 'disk.img'), disk);
  await writeFile(join(source, 'aux.img'), 'aux');
  await writeFile(join(source, 'hardware-model.bin'), 'model');
  await writeFile(join(source, 'stranger'), 'not of a bundle');
});

afterEach(async () => {
  await rm(scratch, { recursive: true, force: true });
});

it('a clone has the same machine, and takes no space for the holes of its disk', async () => {
  await cloneBundle({ source, directory });
  expect((await readdir(directory)).sort()).toEqual(['aux.img', 'disk.img', 'hardware-model.bin']);
  expect((await readFile(join(directory, 'disk.img'))).equals(disk)).toBe(true);
  expect(await readFile(join(directory, 'aux.img'), 'utf8')).toBe('aux');
  expect((await stat(join(directory, 'disk.img'))).blocks * 512).toBeLessThan(1024 * 1024);
  expect(await readdir(join(scratch, 'clones'))).toEqual(['one']);
});

it('what a clone writes does not reach the base', async () => {
  await writeFile(join(source, 'manifest.json'), '{}');
  await cloneBundle({ source, directory });
  await writeFile(join(directory, 'disk.img'), 'changed');
  expect((await readFile(join(source, 'disk.img'))).equals(disk)).toBe(true);
  expect(await readFile(join(directory, 'manifest.json'), 'utf8')).toBe('{}');
});

it('a clone replaces nothing', async () => {
  await mkdir(directory, { recursive: true });
  const clone = cloneBundle({ source, directory });
  await expect(clone).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  expect(await readdir(directory)).toEqual([]);
});

it('what a crash left of a clone does not get into the next one', async () => {
  await mkdir(`${directory}.partial`, { recursive: true });
  await writeFile(join(`${directory}.partial`, 'manifest.json'), 'old');
  await cloneBundle({ source, directory });
  expect(await readdir(directory)).not.toContain('manifest.json');
});

it('a directory that lacks a file, or has a link in its place, is no bundle', async () => {
  await rm(join(source, 'aux.img'));
  await expect(cloneBundle({ source, directory })).rejects.toMatchObject({ code: 'INVALID_SPEC' });
  await symlink('/etc/passwd', join(source, 'aux.img'));
  await expect(cloneBundle({ source, directory })).rejects.toMatchObject({ code: 'INVALID_SPEC' });
  await expect(cloneBundle({ source: '/nowhere', directory })).rejects.toMatchObject({ code: 'INVALID_SPEC' });
  await expect(stat(join(scratch, 'clones'))).rejects.toThrow('ENOENT');
});

it('a clone that is aborted leaves nothing behind', async () => {
  const controller = new AbortController();
  const clone = cloneBundle({ source, directory, signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(clone).rejects.toThrow('enough');
  expect(await readdir(join(scratch, 'clones')).catch(() => [])).toEqual([]);
});
