import { execFile } from 'node:child_process';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Architecture, ZlayerError } from '@zlayer/runtime-core';
import { MACHINES } from './arguments.ts';
import type { ControlChannelKind } from './channel/control-channel.ts';

const OLDEST = [7, 2] as const;
const TIMEOUT_MS = 20_000;
const MAX_OUTPUT = 4 * 1024 * 1024;
const DEVICES = ['virtio-balloon-pci', 'virtio-blk-pci', 'virtio-net-pci', 'virtio-rng-pci', 'vhost-user-fs-pci'];
const CHANNEL_DEVICES: Readonly<Record<ControlChannelKind, readonly string[]>> = {
  vsock: ['vhost-user-vsock-pci'],
  tcp: [],
};
/** What QEMU reads from its own folders before a kernel runs. An arm64 kernel is started without any. */
const FIRMWARE: Readonly<Record<Architecture, readonly string[]>> = {
  amd64: ['bios-256k.bin', 'linuxboot_dma.bin'],
  arm64: [],
};

/** What is known of a QEMU that can be used. */
export interface QemuFeatures {
  /** Such as `7.2.22`. */
  version: string;
}

/** What was found out about a program, as long as it stays the same file. */
const checked = new Map<string, Promise<QemuFeatures>>();

/**
 * Checks that a QEMU is new enough, was built with all that a machine is made of, and has its firmware.
 *
 * @throws ZlayerError `UNAVAILABLE` with what is missing.
 */
export async function checkQemu(
  program: string,
  architecture: Architecture,
  channel: ControlChannelKind,
): Promise<QemuFeatures> {
  const { mtimeMs, size } = await stat(program);
  const key = `${program} ${mtimeMs} ${size} ${architecture} ${channel}`;
  const check = checked.get(key) ?? checkAll(program, architecture, channel);
  checked.set(key, check);
  try {
    return await check;
  } catch (error) {
    checked.delete(key);
    throw error;
  }
}

async function checkAll(
  program: string,
  architecture: Architecture,
  channel: ControlChannelKind,
): Promise<QemuFeatures> {
  const [told, devices, networks, machines, folders] = await Promise.all([
    run(program, ['--version']),
    run(program, ['-machine', 'none', '-device', 'help']),
    run(program, ['-machine', 'none', '-netdev', 'help']),
    run(program, ['-machine', 'help']),
    run(program, ['-L', 'help']),
  ]);
  const version = versionIn(program, told);
  const missing = [...DEVICES, ...CHANNEL_DEVICES[channel]].filter((device) => !devices.includes(`"${device}"`));
  if (missing.length > 0) throw unusable(program, `it was built without ${missing.join(', ')}`);
  if (!/^user$/m.test(networks)) throw unusable(program, 'it was built without user networking (libslirp)');
  const machine = MACHINES[architecture];
  const names = machines.split('\n').map((line) => line.split(' ', 1)[0]);
  if (!names.includes(machine)) throw unusable(program, `it was built without the machine ${machine}`);
  for (const name of FIRMWARE[architecture]) await requireFirmware(program, name, folders.split('\n'));
  return { version };
}

function versionIn(program: string, told: string): string {
  const [, version, major = '', minor = ''] = /version ((\d+)\.(\d+)[.\d]*)/.exec(told) ?? [];
  if (version === undefined) throw unusable(program, 'it does not tell its version');
  if (Number(major) < OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) < OLDEST[1])) {
    throw unusable(program, `it is version ${major}.${minor}, and ${OLDEST.join('.')} is the oldest that works`);
  }
  return version;
}

async function requireFirmware(program: string, name: string, folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    if (folder === '') continue;
    const isThere = await access(join(folder, name)).then(
      () => true,
      () => false,
    );
    if (isThere) return;
  }
  throw new ZlayerError('UNAVAILABLE', `${program} cannot be used: its firmware ${name} is missing`, {
    subject: program,
    remedy: 'Install what QEMU comes with: the Debian packages are qemu-system-data and seabios.',
  });
}

async function run(program: string, args: string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT });
    return stdout;
  } catch (cause) {
    throw unusable(program, (cause as Error).message.trim(), cause);
  }
}

function unusable(program: string, why: string, cause?: unknown): ZlayerError {
  return new ZlayerError('UNAVAILABLE', `${program} cannot be used: ${why}`, {
    subject: program,
    remedy: `Install QEMU ${OLDEST.join('.')} or later as distributions build it, or give the path of one.`,
    cause,
  });
}
