import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveUser } from './resolve-user.ts';

describe('resolveUser', () => {
  let rootfs: string;

  beforeEach(async () => {
    rootfs = await mkdtemp(join(tmpdir(), 'users-'));
    await mkdir(join(rootfs, 'etc'));
    await writeFile(
      join(rootfs, 'etc/passwd'),
      'root:x:0:0::/:/bin/sh\ngit:x:27:28::/srv:/bin/sh\nbroken:x:abc:1::/:/bin/sh\n',
    );
    await writeFile(join(rootfs, 'etc/group'), 'root:x:0:\nstaff:x:50:git\n');
  });
  afterEach(() => rm(rootfs, { recursive: true, force: true }));

  it.each([
    ['', { uid: 0, gid: 0 }],
    ['git', { uid: 27, gid: 28 }],
    ['git:staff', { uid: 27, gid: 50 }],
    ['git:99', { uid: 27, gid: 99 }],
    ['27', { uid: 27, gid: 28 }],
    ['1000', { uid: 1000, gid: 0 }],
    ['1000:1001', { uid: 1000, gid: 1001 }],
  ])('resolves %j', async (text, ids) => {
    expect(await resolveUser(rootfs, text)).toEqual(ids);
  });

  it.each(['nobody', 'git:nogroup', 'broken'])('never makes root of the unknown %j', async (text) => {
    await expect(resolveUser(rootfs, text)).rejects.toMatchObject({ code: 'START_FAILED' });
  });

  it('does not read the host through a link that the image has planted', async () => {
    await rm(join(rootfs, 'etc/passwd'));
    await symlink('/etc/passwd', join(rootfs, 'etc/passwd'));
    await expect(resolveUser(rootfs, 'root')).rejects.toMatchObject({ code: 'START_FAILED' });
    await rm(join(rootfs, 'etc'), { recursive: true });
    await symlink('/etc', join(rootfs, 'etc'));
    await expect(resolveUser(rootfs, 'root')).rejects.toMatchObject({ code: 'START_FAILED' });
  });
});
