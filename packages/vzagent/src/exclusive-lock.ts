import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ZlayerError } from '@zlayer/runtime-core';

/**
 * Runs `work` while no other process that uses the same lock file does. The lock is the kernel's (flock), held by a
 * small helper process: whatever ends this process frees it.
 *
 * @param file the lock file; made when missing, never removed.
 * @throws {ZlayerError} `UNAVAILABLE` when the program `flock` is missing; `INTERNAL` when the lock cannot be taken.
 */
export async function withExclusiveLock<T>(file: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted();
  const held = 'held\n';
  const holder = spawn('flock', [file, 'sh', '-c', 'echo held; exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = new Promise<void>((resolve) => {
    holder.once('close', () => resolve());
  });
  // Writing to a holder that is gone must not end this process.
  holder.stdin.on('error', () => {});
  try {
    const first = await Promise.race([
      once(holder.stdout, 'data', signal === undefined ? {} : { signal }),
      closed.then(() => []),
      once(holder, 'error').then(([error]) => Promise.reject(lockError(file, error))),
    ]).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
    if (String(first[0]) !== held) throw lockError(file, undefined);
    return await work();
  } finally {
    holder.stdin.end();
    // While it still waits for the lock it does not read its input.
    if (signal?.aborted === true) holder.kill('SIGKILL');
    if (holder.pid !== undefined) await closed;
  }
}

function lockError(file: string, cause: unknown): ZlayerError {
  const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
  return missing
    ? new ZlayerError('UNAVAILABLE', 'the program flock is not installed', {
        subject: 'flock',
        remedy: 'install the Debian package util-linux',
        cause,
      })
    : new ZlayerError('INTERNAL', `cannot lock ${file}`, { subject: file, cause });
}
