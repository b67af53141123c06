import { copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceSpecInput } from '@zlayer/runtime-core';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { installRosetta, vzSupport } from '@zlayer/vz-native';
import { debianPackage } from '@zlayer/vzagent';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VzLinuxRuntime } from '../src/index.ts';
import { DOUBLE, IN_PROCESS } from './double.ts';

const id = { service: 'foreign', replica: 0 };

/** In Rosetta's place the double has an emulator that does the same: it runs amd64 programs on arm64. */
describe('an amd64 image on a Mac with Apple silicon', () => {
  let directory: string;
  let served: ServedImages<'plain'>;
  const rosetta = (): string => join(directory, 'rosetta');

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'zlayer-rosetta-'));
    await mkdir(rosetta());
    const { root } = await debianPackage('qemu-user-static', { architecture: 'arm64' });
    await copyFile(join(root, 'usr/bin/qemu-x86_64-static'), join(rosetta(), 'installer'));
    served = await serveBusybox({ architectures: ['amd64'], images: { plain: {} } });
    process.env['VZ_DOUBLE_ROSETTA'] = rosetta();
  }, 300_000);
  afterAll(async () => {
    delete process.env['VZ_DOUBLE_ROSETTA'];
    await served?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const spec = (): ServiceSpecInput => ({
    image: served.images.plain,
    platform: 'linux/amd64',
    command: { args: ['sleep', '1000'] },
  });

  it('is refused without Rosetta, with the command that installs it', async () => {
    await using runtime = new VzLinuxRuntime({ dataDir: join(directory, 'data'), ...DOUBLE });
    await runtime.createContainer(id, spec());
    await expect(runtime.startContainer(id)).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining('this Mac runs arm64 guests, not amd64'),
      remedy: expect.stringContaining('softwareupdate --install-rosetta'),
    });
    await runtime.removeContainer(id, { force: true });
  });

  it('runs when Rosetta is installed, in a vz-host and in this process', async () => {
    const { addon } = IN_PROCESS;
    expect(vzSupport({ addon }).rosetta).toBe('not-installed');
    await installRosetta({ addon });
    expect(vzSupport({ addon }).rosetta).toBe('installed');
    await expect(installRosetta({ addon })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      cause: { domain: 'VZErrorDomain' },
    });
    for (const options of [DOUBLE, IN_PROCESS]) {
      await using runtime = new VzLinuxRuntime({ dataDir: join(directory, 'data'), ...options });
      await runtime.createContainer(id, spec());
      await runtime.startContainer(id);
      const { stdoutText } = await runtime.exec(id, ['sh', '-c', 'uname -m; ls /rosetta']);
      expect(stdoutText).toBe('x86_64\n');
      // The program's own file says for which processor it is.
      const header = await runtime.exec(id, ['head', '-c', '20', '/bin/busybox']);
      expect(Buffer.from(header.stdout).readUInt16LE(18)).toBe(62);
      await runtime.removeContainer(id, { force: true });
    }
    await rename(join(rosetta(), 'rosetta'), join(rosetta(), 'installer'));
  }, 120_000);
});
