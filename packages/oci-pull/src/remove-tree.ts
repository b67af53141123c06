import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { systemErrorCode } from './errors.ts';

/** Removes a tree of which some directories may be closed to their own user. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (systemErrorCode(error) !== 'EACCES' && systemErrorCode(error) !== 'EPERM') throw error;
    await openDirectories(Buffer.from(path));
    await rm(path, { recursive: true, force: true });
  }
}

async function openDirectories(path: Buffer): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return;
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true, encoding: 'buffer' })) {
    if (entry.isDirectory()) await openDirectories(Buffer.concat([path, Buffer.from('/'), entry.name]));
  }
}
