import { rm, rmdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FileLock } from '../lock/file-lock.ts';
import type { SupervisorPlace } from './supervisor-protocol.ts';

/**
 * Removes what a supervisor that leaves would leave behind. To be called with its lock held: files that locks are held on
 * may be removed, as `FileLock` takes no lock on one that nobody finds any more.
 */
export async function removePlace({ lock, startLock, log }: SupervisorPlace): Promise<void> {
  // Whoever starts the next one holds this one, and everything here is his then. Who comes while it is held finds no
  // directory afterwards, and begins anew.
  using start = await FileLock.tryAcquire(startLock);
  if (!start) return;
  // What it had to say is for whoever looks for the reason of something.
  if ((await stat(log).catch(() => undefined))?.size) return;
  for (const path of [log, lock, startLock]) await rm(path, { force: true });
  // It is not empty if somebody has come since.
  await rmdir(dirname(lock));
}
