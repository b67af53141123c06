import { execFile } from 'node:child_process';
import { open, rename, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type Cancellable, ZlayerError } from '@zlayer/runtime-core';

/** Where `mkfs.ext4` is, where the search path of an ordinary user does not have it. */
const SYSTEM_PATHS = ['/usr/sbin', '/sbin', '/opt/homebrew/opt/e2fsprogs/sbin', '/usr/local/opt/e2fsprogs/sbin'];

const MIN_BYTES = 4 * 1024 ** 2;
const BLOCK = 4096;

/** Tables and the journal are filled with zeroes by the guest, when it needs them: the file is all zeroes already. */
const OPTIONS = ['-q', '-F', '-m', '0', '-b', String(BLOCK), '-E', 'lazy_itable_init=1,lazy_journal_init=1,nodiscard'];

/**
 * Makes an empty ext4 file system of so many bytes in a new file, which takes only the room that is used. It is there
 * whole or not at all.
 *
 * @throws ZlayerError `UNAVAILABLE` when the host has no `mkfs.ext4`; `INVALID_SPEC` for less than 4 MiB.
 */
export async function makeVolume(path: string, bytes: number, { signal }: Cancellable = {}): Promise<void> {
  const size = Math.floor(bytes / BLOCK) * BLOCK;
  if (size < MIN_BYTES) {
    throw new ZlayerError('INVALID_SPEC', `${bytes} bytes are too little for a file system`, {
      subject: path,
      remedy: `Give it at least ${MIN_BYTES} bytes.`,
    });
  }
  const staged = `${path}.${process.pid}.new`;
  try {
    await using file = await open(staged, 'w', 0o600);
    await file.truncate(size);
    await makeFileSystem(staged, signal);
    await file.sync();
    await rename(staged, path);
  } catch (error) {
    await rm(staged, { force: true });
    throw error;
  }
}

async function makeFileSystem(path: string, signal: AbortSignal | undefined): Promise<void> {
  const PATH = [process.env['PATH'] ?? '', ...SYSTEM_PATHS].join(':');
  try {
    await promisify(execFile)('mkfs.ext4', [...OPTIONS, path], { env: { ...process.env, PATH, LC_ALL: 'C' }, signal });
  } catch (cause) {
    signal?.throwIfAborted();
    const { code, stderr = '' } = cause as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT') {
      throw new ZlayerError('UNAVAILABLE', 'there is no mkfs.ext4 to make volumes with', {
        subject: 'mkfs.ext4',
        remedy: 'Install e2fsprogs.',
        cause,
      });
    }
    throw new ZlayerError('INTERNAL', `mkfs.ext4 cannot make ${path}: ${stderr.trim()}`, { subject: path, cause });
  }
}
