import type { VmConfig } from '@zlayer/host';
import { expect, test } from 'vitest';
import { checkConfig } from './check-config.ts';

const disk = (serial: string) => ({ path: '/disk', readOnly: true, serial });
const share = (tag: string) => ({ tag, path: '/share', readOnly: true });
const config: VmConfig = {
  stateDirectory: '/state',
  architecture: 'amd64',
  kernel: '/kernel',
  initramfs: '/initramfs',
  commandLine: 'quiet',
  cpus: 1,
  memoryBytes: 128 * 1024 ** 2,
  shares: [share('rootfs')],
  disks: [disk('a'), disk('volume-0123456789abc')],
  network: { type: 'user', mac: '52:54:00:12:34:56' },
  consoleFile: '/state/console.log',
  onOwnerExit: 'stop',
};

test('a machine with disks, shares and a network is accepted', () => {
  checkConfig(config);
});

test.each<[string, Partial<VmConfig>]>([
  ['serial', { disks: [disk('a'.repeat(21))] }],
  ['serial', { disks: [disk('')] }],
  ['serial', { disks: [disk('a b')] }],
  ['disk a twice', { disks: [disk('a'), disk('a')] }],
  ['share a twice', { shares: [share('a'), share('a')] }],
  ['tag', { shares: [share('ä'.repeat(19))] }],
  ['are possible', { disks: Array.from({ length: 25 }, (_, i) => disk(`${i}`)) }],
  ['MAC', { network: { type: 'user', mac: '52:54:00:12:34:56,script=/x' } }],
  ['MAC', { network: { type: 'user', mac: '01:00:5e:00:00:01' } }],
  ['more than one line', { commandLine: 'quiet\ninit=/bin/sh' }],
])('a machine that QEMU would misread is refused: %s', (why, change) => {
  expect(() => checkConfig({ ...config, ...change })).toThrow(
    expect.objectContaining({ code: 'INVALID_SPEC', message: expect.stringContaining(why) }),
  );
});
