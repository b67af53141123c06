import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from './errors.ts';
import { isGone, ownIdentity } from './process-identity.ts';

/** A fresh name in a directory of unfinished work. It tells which process works on it. */
export async function newStagingPath(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  return join(directory, `${ownIdentity()}_${randomBytes(8).toString('hex')}`);
}

/** Unfinished work that processes left behind when they died. */
export async function abandonedStagingPaths(directory: string): Promise<string[]> {
  const names = await listDirectory(directory);
  return names.filter((name) => isGone(name.split('_', 1)[0] ?? '')).map((name) => join(directory, name));
}

/** The names in a directory; none if it is not there. */
export async function listDirectory(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Makes a rename in a directory survive a power cut. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
