import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveGuest } from './resolve-guest.ts';

describe('a kernel from the environment', () => {
  // It is the cache, too.
  let folder: string;
  let kernel: string;
  let initramfs: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-env-'));
    kernel = join(folder, 'vmlinuz');
    initramfs = join(folder, 'initramfs');
    await writeFile(kernel, 'kernel');
    await writeFile(initramfs, 'initramfs');
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  const resolve = (env: NodeJS.ProcessEnv) => resolveGuest({ architecture: 'amd64', env, cacheDir: folder });

  it('is used before everything else', async () => {
    const env = { ZLAYER_VZ_LINUX_KERNEL: kernel, ZLAYER_VZ_LINUX_INITRD: initramfs };
    expect(await resolve({ ...env, ZLAYER_VZ_LINUX_BUNDLE: 'registry.example/never:asked' })).toEqual({
      architecture: 'amd64',
      kernel,
      initramfs,
      volumeTemplate: expect.stringContaining(folder),
      kernelVersion: undefined,
      agentVersion: undefined,
      source: 'environment',
      warnings: [],
    });
  });

  it.each([
    ['ZLAYER_VZ_LINUX_KERNEL', 'ZLAYER_VZ_LINUX_INITRD'],
    ['ZLAYER_VZ_LINUX_INITRD', 'ZLAYER_VZ_LINUX_KERNEL'],
  ])('is an error when only %s is set', async (set, unset) => {
    await expect(resolve({ [set]: kernel })).rejects.toMatchObject({ code: 'INVALID_SPEC', subject: unset });
  });

  it('is an error, never another kernel, when a path is wrong', async () => {
    const missing = join(folder, 'missing');
    for (const wrong of [missing, folder]) {
      const env = { ZLAYER_VZ_LINUX_KERNEL: kernel, ZLAYER_VZ_LINUX_INITRD: wrong };
      await expect(resolve(env)).rejects.toMatchObject({ code: 'NOT_FOUND', subject: wrong });
    }
  });

  it('gives way to the one that the program names', async () => {
    const env = { ZLAYER_VZ_LINUX_KERNEL: '/missing', ZLAYER_VZ_LINUX_INITRD: '/missing' };
    const guest = { kernel, initramfs, volumeTemplate: initramfs };
    const found = await resolveGuest({ architecture: 'amd64', env, cacheDir: folder, guest });
    expect(found).toMatchObject({ ...guest, source: 'option' });
    const wrong = resolveGuest({ architecture: 'amd64', env: {}, guest: { kernel, initramfs: folder } });
    await expect(wrong).rejects.toMatchObject({ code: 'NOT_FOUND', subject: folder });
  });
});
