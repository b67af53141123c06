import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf, systemErrorCode } from './errors.ts';
import type { TarEntry } from './tar-entry.ts';

const run = promisify(execFile);

/**
 * Makes a device node or FIFO with the system's `mknod` or `mkfifo`, because Node.js has no call for it.
 *
 * @returns false if this process may not, or if the system has no such program.
 */
export async function makeNode(
  path: string | Buffer,
  { type, deviceMajor, deviceMinor }: Pick<TarEntry, 'type' | 'deviceMajor' | 'deviceMinor'>,
  signal: AbortSignal,
): Promise<boolean> {
  const text = String(path);
  // Arguments of a program are text here: a name of other bytes cannot be passed on.
  if (!Buffer.from(text).equals(Buffer.from(path))) return false;
  const device = [text, type === 'block' ? 'b' : 'c', String(deviceMajor), String(deviceMinor)];
  try {
    const options = { signal, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' } };
    await (type === 'fifo' ? run('mkfifo', [text], options) : run('mknod', device, options));
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (systemErrorCode(error) === 'ENOENT' || /not permitted/i.test(messageOf(error))) return false;
    throw error;
  }
}
