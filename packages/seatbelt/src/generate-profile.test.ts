import { mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generateProfile } from './index.ts';

let folder = '';

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'zlayer-seatbelt-')));
  await mkdir(join(folder, 'real'));
  await symlink('real', join(folder, 'link'));
  await symlink('/', join(folder, 'everything'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

test('links are followed, so that rules match what Seatbelt sees', async () => {
  const link = join(folder, 'link');
  const { parameters } = await generateProfile({
    rootfs: link,
    workspace: `${folder}/.`,
    unixSockets: [{ path: join(link, 'not-yet.sock'), access: 'listen' }],
  });
  expect(parameters).toEqual({
    ROOTFS: join(folder, 'real'),
    WORKSPACE: folder,
    SOCKET_0: join(folder, 'real', 'not-yet.sock'),
  });
});

test('a link cannot turn a folder into the whole disk', async () => {
  const folders = [{ path: join(folder, 'everything'), access: 'write' as const }];
  await expect(generateProfile({ rootfs: folder, workspace: folder, folders })).rejects.toMatchObject({
    code: 'INVALID_SPEC',
    subject: 'folders[0].path',
  });
});

test.each(['/nowhere/at/all', 'relative', '/a\0b'])('a path that cannot be resolved is named: %j', async (path) => {
  const folders = [{ path, access: 'read' as const }];
  await expect(generateProfile({ rootfs: folder, workspace: folder, folders })).rejects.toMatchObject({
    code: 'INVALID_SPEC',
    subject: 'folders[0].path',
  });
});
