import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { checkQemu } from './features.ts';
import { findQemu } from './programs.ts';
import { QemuDriver, type QemuDriverOptions } from './qemu-driver.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'features-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** The QEMU of this machine, with something changed in what it says. */
async function changed(filter: string): Promise<string> {
  const path = join(directory, 'qemu');
  writeFileSync(path, `#!/bin/sh\n${await findQemu('amd64', {})} "$@" | sed '${filter}'\n`);
  chmodSync(path, 0o755);
  return path;
}

test.each(['amd64', 'arm64'] as const)(
  'the QEMU of this machine for %s has all that is needed',
  async (architecture) => {
    for (const channel of ['vsock', 'tcp'] as const) {
      const { version } = await checkQemu(await findQemu(architecture, {}), architecture, channel);
      expect(version).toMatch(/^\d+\.\d+/);
    }
  },
);

test.each([
  ['s/version 7\\.2/version 7.1/', 'version 7.1, and 7.2 is the oldest'],
  ['s/version.*//', 'does not tell its version'],
  ['/vhost-user-fs-pci/d', 'built without vhost-user-fs-pci'],
  ['/vhost-user-vsock-pci/d', 'built without vhost-user-vsock-pci'],
  ['/^user$/d', 'without user networking'],
  ['/^q35 /d', 'without the machine q35'],
])('a QEMU that is unfit (%s) is named, with the reason and what to do', async (filter, reason) => {
  const program = await changed(filter);
  const unfit = { code: 'UNAVAILABLE', subject: program, message: expect.stringContaining(reason) };
  await expect(checkQemu(program, 'amd64', 'vsock')).rejects.toMatchObject({
    ...unfit,
    remedy: expect.stringContaining('QEMU 7.2'),
  });
});

test('a program that is broken makes the driver unavailable', async () => {
  const program = await changed('s/x/x/');
  writeFileSync(program, '#!/bin/sh\nexit 3\n');
  const programs = { qemu: { amd64: program, arm64: program } };
  expect(await new QemuDriver({ programs }).availability()).toMatchObject({
    available: false,
    reason: expect.stringContaining(program),
    remedy: expect.any(String),
  });
});

describe('without vhost-device-vsock', () => {
  afterEach(() => vi.unstubAllEnvs());

  const availabilityOf = async (options: QemuDriverOptions) => {
    // A PATH with QEMU alone.
    const programs = { qemu: { amd64: await findQemu('amd64', {}), arm64: await findQemu('arm64', {}) } };
    vi.stubEnv('PATH', directory);
    const availability = await new QemuDriver({ programs, ...options }).availability();
    vi.unstubAllEnvs();
    return availability;
  };

  test('the control channel goes over TCP, and the driver says why', async () => {
    const notes = expect.arrayContaining([
      expect.stringMatching(/^QEMU \d/),
      'control channel over TCP: vhost-device-vsock is not installed',
    ]);
    expect(await availabilityOf({})).toMatchObject({ available: true, notes });
    const forced = expect.arrayContaining(['control channel over TCP: it was asked for']);
    expect(await availabilityOf({ controlChannel: 'tcp' })).toMatchObject({ available: true, notes: forced });
  });

  test('a vsock that was asked for is missing, with what to do', async () => {
    expect(await availabilityOf({ controlChannel: 'vsock' })).toMatchObject({
      available: false,
      reason: 'vhost-device-vsock is not installed',
      remedy: expect.stringContaining('vhost-device-vsock'),
    });
  });

  test('a path that was given and is wrong is an error, not a reason for something else', async () => {
    const programs = { vhostDeviceVsock: '/nowhere/vsock' };
    expect(await new QemuDriver({ programs }).availability()).toMatchObject({ available: false });
    expect(await new QemuDriver({ programs: { virtiofsd: '/nowhere/fs' } }).availability()).toMatchObject({
      available: false,
      reason: expect.stringContaining('/nowhere/fs'),
    });
  });
});
