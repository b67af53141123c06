import { randomUUID } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { systemErrorCode } from './errors.ts';
import { pause } from './pause.ts';
import { isGone, ownIdentity } from './process-identity.ts';

/**
 * Runs an action while holding a lock file; waits as long as another process (or another call) holds it.
 * The lock of a process that died is taken over. Keep the action short: waiters look again every few milliseconds,
 * because a file offers no event that every system delivers.
 */
export async function withLockFile<T>(path: string, action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const mine = `${ownIdentity()} ${randomUUID()}`;
  while (!(await take(path, mine))) {
    signal?.throwIfAborted();
    const holder = await readLock(path);
    if (holder !== undefined && isGone(holder.split(' ', 1)[0] ?? '')) await breakLock(path, holder);
    else await pause(2 + Math.random() * 8, signal);
  }
  try {
    return await action();
  } finally {
    await rm(path, { force: true });
  }
}

/** The lock appears with its content in one step, so no reader ever sees one without a holder. */
async function take(path: string, mine: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, mine, { flag: 'wx' });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/**
 * Two waiters may see the same dead holder, and the slower one must not remove the lock that the faster one took since.
 * So a dead holder's lock is removed only under a lock made for that one holder, and only if it is still that holder's.
 */
async function breakLock(path: string, holder: string): Promise<void> {
  const nonce = holder.split(' ')[1] ?? '';
  if (!/^[0-9a-f-]{36}$/.test(nonce)) return;
  await withLockFile(`${path}.${nonce}.break`, async () => {
    if ((await readLock(path)) === holder) await rm(path, { force: true });
  });
}

async function readLock(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
