import { pinnedMac, type VmConfig } from '@zlayer/host';
import { describe, expect, it } from 'vitest';
import { machineConfig } from './machine-config.ts';

const CONFIG: VmConfig = {
  stateDirectory: '/state',
  architecture: 'arm64',
  kernel: '/kernel',
  initramfs: '/initramfs',
  commandLine: 'quiet',
  cpus: 2,
  memoryBytes: 512 * 1024 ** 2,
  shares: [{ tag: 'data', path: '/data', readOnly: true }],
  disks: [{ path: '/disk', readOnly: false, serial: 'rootfs' }],
  network: { type: 'user' },
  consoleFile: '/console',
  onOwnerExit: 'stop',
};

describe('machineConfig', () => {
  it('tells vz-host all that a machine is made of, with the defaults filled in', () => {
    expect(machineConfig(CONFIG, '/v.sock', [1025])).toEqual({
      ...{ kernel: '/kernel', initramfs: '/initramfs', cpus: 2, memoryBytes: 536_870_912 },
      commandLine: 'quiet zlayer.files=10000',
      shares: [{ tag: 'data', path: '/data', readOnly: true }],
      disks: [{ path: '/disk', readOnly: false, serial: 'rootfs', cache: 'cached' }],
      ...{ rosetta: false, network: { mac: pinnedMac('/state') } },
      ...{ consoleFile: '/console', consoleBytes: 1_048_576, vsockSocket: '/v.sock', listen: [1025], savedState: null },
    });
    const plain = machineConfig({ ...CONFIG, shares: [], network: { type: 'none' } }, '/v', []);
    expect(plain).toMatchObject({ commandLine: 'quiet', network: null });
    expect(machineConfig({ ...CONFIG, translated: 'amd64' }, '/v', [])).toMatchObject({ rosetta: true });
  });

  it('refuses what the framework would do otherwise than asked', () => {
    const wrong: [Partial<VmConfig>, string][] = [
      [{ network: { type: 'user', restricted: true } }, 'restricted'],
      [{ commandLine: 'a\nb' }, 'more than one line'],
      [{ memoryBytes: 1_000_000 }, 'whole MiB'],
      [{ shares: [{ tag: 'x'.repeat(36), path: '/', readOnly: true }] }, 'tag'],
      [{ disks: [{ path: '/d', readOnly: true, serial: 'a b' }] }, 'serial'],
      [{ shares: [1, 2].map(() => ({ tag: 'twice', path: '/', readOnly: true })) }, 'twice'],
    ];
    for (const [change, why] of wrong) {
      expect(() => machineConfig({ ...CONFIG, ...change }, '/v', [])).toThrow(
        expect.objectContaining({ code: 'INVALID_SPEC', message: expect.stringContaining(why) }),
      );
    }
  });
});
