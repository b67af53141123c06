import { createHash } from 'node:crypto';
import { lstat, mkdir, readdir, rmdir, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { ZlayerError } from '@zlayer/runtime-core';
import { errorCode } from './file-error.ts';

/** A Unix socket's address holds 104 bytes on macOS, with the terminating zero. Linux has 108. */
export const MAX_SOCKET_PATH_BYTES = 103;
/** Room that a run directory leaves for the longest name in it. */
export const MAX_SOCKET_NAME_BYTES = 24;

export interface RunDirectoryOptions {
  /**
   * Where to make it. Default: `$XDG_RUNTIME_DIR/zlayer`, `/run/user/UID/zlayer`, or `zlayer-UID` in the system's
   * temporary folder.
   */
  base?: string | undefined;
  /** Default: `process.env`. */
  env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Makes a short directory for sockets, of mode 0700, under a hashed name: the same key gives the same directory.
 *
 * @throws ZlayerError `UNAVAILABLE` if its path leaves no room for sockets, or if something else, or somebody else's,
 *   lies in its place.
 */
export async function runDirectory(key: string, options: RunDirectoryOptions = {}): Promise<string> {
  const base = await runDirectoryBase(options);
  const directory = join(base, runDirectoryName(key));
  socketPath(directory, 'x'.repeat(MAX_SOCKET_NAME_BYTES));
  await makePrivateDirectory(base);
  await makePrivateDirectory(directory);
  return directory;
}

/** Where run directories are made. Creates nothing. */
export async function runDirectoryBase(options: RunDirectoryOptions = {}): Promise<string> {
  return options.base ?? (await defaultBase(options.env ?? process.env));
}

/** The name of the run directory of a key. */
export function runDirectoryName(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16);
}

/**
 * The path of a socket, if a Unix socket can have it.
 *
 * @throws ZlayerError `UNAVAILABLE` if it is too long.
 */
export function socketPath(directory: string, name: string): string {
  const path = join(directory, name);
  const length = Buffer.byteLength(path);
  if (length <= MAX_SOCKET_PATH_BYTES) return path;
  throw new ZlayerError('UNAVAILABLE', `${path} has ${length} bytes, a socket may have ${MAX_SOCKET_PATH_BYTES}`, {
    subject: path,
    remedy: 'Set XDG_RUNTIME_DIR to a directory with a short path.',
  });
}

/** Removes a run directory that no host program is left to remove: its entries, one level deep, and itself. */
export async function removeRunDirectory(directory: string): Promise<void> {
  try {
    if (!(await lstat(directory)).isDirectory()) return;
    for (const name of await readdir(directory)) await unlink(join(directory, name)).catch(() => undefined);
    await rmdir(directory);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

async function defaultBase(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const user = userId();
  const xdg = env['XDG_RUNTIME_DIR'];
  for (const candidate of [xdg, `/run/user/${user}`]) {
    if (candidate !== undefined && isAbsolute(candidate) && (await isPrivateDirectory(candidate))) {
      return join(candidate, 'zlayer');
    }
  }
  return join(tmpdir(), `zlayer-${user}`);
}

async function makePrivateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (cause) {
    if (errorCode(cause) !== 'EEXIST') {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ZlayerError('UNAVAILABLE', `cannot make the run directory ${path}: ${why}`, { subject: path, cause });
    }
  }
  // Also right after mkdir: whoever can write the parent may have put something else there.
  if (await isPrivateDirectory(path)) return;
  // Whoever used it last has removed it in between.
  if (!(await isThere(path))) return await makePrivateDirectory(path);
  throw new ZlayerError('UNAVAILABLE', `${path} is not a directory of mode 0700 that belongs to this user`, {
    subject: path,
    remedy: `Remove ${path}, or set XDG_RUNTIME_DIR to a private directory.`,
  });
}

async function isPrivateDirectory(path: string): Promise<boolean> {
  try {
    const info = await lstat(path);
    return info.isDirectory() && info.uid === userId() && (info.mode & 0o077) === 0;
  } catch {
    return false;
  }
}

async function isThere(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    (error: unknown) => errorCode(error) !== 'ENOENT',
  );
}

function userId(): number {
  return process.geteuid?.() ?? -1;
}
