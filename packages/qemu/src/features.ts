import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ZlayerError } from '@zlayer/runtime-core';

const OLDEST = [7, 2] as const;
const TIMEOUT_MS = 20_000;
const MAX_OUTPUT = 4 * 1024 * 1024;
const DEVICES = [
  'vhost-user-fs-pci',
  'vhost-user-vsock-pci',
  'virtio-balloon-pci',
  'virtio-blk-pci',
  'virtio-net-pci',
  'virtio-rng-pci',
];

/** What was found out about a program, as long as it stays the same file. */
const checked = new Map<string, Promise<void>>();

/**
 * Checks that a QEMU is new enough and was built with all that a machine is made of.
 *
 * @throws ZlayerError `UNAVAILABLE` with what is missing.
 */
export async function checkQemu(program: string): Promise<void> {
  const { mtimeMs, size } = await stat(program);
  const key = `${program} ${mtimeMs} ${size}`;
  const check = checked.get(key) ?? checkAll(program);
  checked.set(key, check);
  try {
    await check;
  } catch (error) {
    checked.delete(key);
    throw error;
  }
}

async function checkAll(program: string): Promise<void> {
  const [version, devices, networks] = await Promise.all([
    run(program, ['--version']),
    run(program, ['-machine', 'none', '-device', 'help']),
    run(program, ['-machine', 'none', '-netdev', 'help']),
  ]);
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(version)?.map(Number) ?? [];
  if (major === undefined || minor === undefined) throw unusable(program, 'it does not tell its version');
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    throw unusable(program, `it is version ${major}.${minor}, and ${OLDEST.join('.')} is the oldest that works`);
  }
  const missing = DEVICES.filter((device) => !devices.includes(`"${device}"`));
  if (missing.length > 0) throw unusable(program, `it was built without ${missing.join(', ')}`);
  if (!/^user$/m.test(networks)) throw unusable(program, 'it was built without user networking (libslirp)');
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
