import type { VmConfig } from '@zlayer/host';
import { describe, expect, it } from 'vitest';
import { machineConfig } from './machine-config.ts';

const CONFIG: VmConfig = {
  stateDirectory: '/state',
  architecture: 'arm64',
  commandLine: 'quiet zlayer.ready=1025',
  cpus: 2,
  memoryBytes: 512 * 1024 ** 2,
  shares: [
    { tag: 'data', path: '/data', readOnly: true },
    { tag: 'work', path: '/work', readOnly: false },
  ],
  disks: [{ path: '/disk', readOnly: true, serial: 'rootfs' }],
  network: { type: 'user', mac: '02:00:00:00:00:01' },
  consoleFile: '/console',
  onOwnerExit: 'stop',
};
const PARTS = {
  ...{ library: '/lib/libkrun.so.1', root: '/state/root', initramfs: undefined, hasNetwork: true },
  ports: [{ port: 1024, path: '/run/vsock_1024', guestListens: true }],
};

describe('machineConfig', () => {
  it('tells krun-host all that a machine is made of, and the jail all that it may reach', async () => {
    expect(await machineConfig(CONFIG, PARTS)).toEqual({
      ...{ version: 1, library: '/lib/libkrun.so.1', cpus: 2, memoryMib: 512, kernel: null, root: '/state/root' },
      environment: ['quiet', 'zlayer.ready=1025'],
      shares: CONFIG.shares,
      disks: [{ id: 'rootfs', path: '/disk', readOnly: true, direct: false, flushes: true }],
      ports: PARTS.ports,
      ...{ network: { descriptor: 10, mac: '02:00:00:00:00:01' }, console: 9 },
      readOnlyPaths: ['/state/root', '/data', '/disk'],
      readWritePaths: ['/run', '/work'],
    });
  });

  it('leaves the choice of a library that has no path to the loader', async () => {
    expect(await machineConfig(CONFIG, { ...PARTS, library: 'libkrun.so.1' })).toMatchObject({ library: null });
  });

  it('refuses what libkrun would do otherwise than asked', async () => {
    const wrong: [Partial<VmConfig>, string][] = [
      [{ network: { type: 'user', restricted: true } }, 'restricted'],
      [{ commandLine: 'a\nb' }, 'more than one line'],
      [{ commandLine: 'a="b"' }, 'a quote'],
      [{ memoryBytes: 1_000_000 }, 'whole MiB'],
      [{ shares: [{ tag: '/dev/root', path: '/', readOnly: true }] }, 'tag'],
      [{ shares: [{ tag: 'x'.repeat(36), path: '/', readOnly: true }] }, 'tag'],
    ];
    for (const [change, why] of wrong) {
      await expect(machineConfig({ ...CONFIG, ...change }, PARTS)).rejects.toMatchObject({
        ...{ code: 'INVALID_SPEC', message: expect.stringContaining(why) },
      });
    }
    await expect(machineConfig(CONFIG, { ...PARTS, root: undefined })).rejects.toThrow('a kernel and an initramfs');
  });
});
