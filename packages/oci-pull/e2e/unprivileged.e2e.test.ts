import { execFile } from 'node:child_process';
import { chown, lstat, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ImageStore, importLayout } from '../src/index.ts';
import { writeImageLayout } from '../src/testing/index.ts';

const run = promisify(execFile);
const platform = { os: 'linux', architecture: 'amd64' };
/** The user to become, for a test that root runs. */
const user = process.getuid?.() === 0 ? 65_534 : undefined;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-user-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

test('an ordinary user unpacks an image as well, and learns what could not be kept', async () => {
  const lower = [
    { type: 'directory' as const, path: 'closed', mode: 0o555 },
    { path: 'closed/file', mode: 0o4755, uid: 0 },
    { path: 'owned', uid: 1234, gid: 1234, content: 'x' },
    { type: 'character' as const, path: 'dev/null', deviceMajor: 1, deviceMinor: 3 },
    { type: 'fifo' as const, path: 'run/fifo' },
    { path: 'caps', pax: { 'SCHILY.xattr.security.capability': 'x' } },
    { type: 'directory' as const, path: '.', mode: 0o555 },
  ];
  const upper = [{ path: 'closed/later', content: 'later' }, { path: '.wh.owned' }];
  const layers = [{ content: lower }, { content: upper }];
  await writeImageLayout(join(directory, 'layout'), { name: 'a', images: [{ architecture: 'amd64', layers }] });
  const store = await ImageStore.open(join(directory, 'store'));
  await importLayout(join(directory, 'layout'), { store, platform, reference: 'a' });
  for (const path of ['', 'store', ...(await readdir(join(directory, 'store'))).map((name) => join('store', name))]) {
    if (user !== undefined) await chown(join(directory, path), user, user);
  }

  const program = fileURLToPath(new URL('unpack-process.ts', import.meta.url));
  const parameters = [program, join(directory, 'store'), 'a', join(directory, 'unpacked')];
  if (user !== undefined) parameters.push(String(user));
  const { stdout } = await run(process.execPath, parameters);
  const { rootfs, losses } = JSON.parse(stdout);
  expect(losses).toMatchObject({ xattrs: 1, devices: 1 });
  expect(losses.owners).toBeGreaterThan(0);
  expect(losses.examples).toContain('dev/null');
  expect((await lstat(join(rootfs, 'closed'))).mode & 0o7777).toBe(0o555);
  expect((await lstat(rootfs)).mode & 0o7777).toBe(0o555);
  expect((await lstat(join(rootfs, 'closed/file'))).mode & 0o7777).toBe(0o4755);
  expect((await lstat(join(rootfs, 'run/fifo'))).isFIFO()).toBe(true);
  expect(await readFile(join(rootfs, 'closed/later'), 'utf8')).toBe('later');
  expect((await readdir(rootfs)).sort()).toEqual(['caps', 'closed', 'dev', 'run']);
  expect((await stat(join(rootfs, 'caps'))).uid).toBe(user ?? process.getuid?.());
});
