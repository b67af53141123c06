import { randomUUID } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from './errors.ts';
import { pause } from './pause.ts';
import { isGone, ownIdentity } from './process-identity.ts';
import { listDirectory } from './staging.ts';

/** An identity and a nonce. Anything else was left by a power cut: in the same boot a lock has its content from the first. */
const holderPattern = /^\S+ ([0-9a-f-]{36})$/;
const draftName = /\.(lock|break)\.[0-9a-f-]{36}$/;

/** Milliseconds between two looks at a lock that another holds: short at first, then longer. */
const firstLook = 5;
const laterLooks = 100;

/**
 * Runs an action while holding a lock file; waits as long as another process (or another call) holds it.
 * The lock of a process that died is taken over. Waiters look again after some milliseconds, because a file offers no
 * event that every system delivers.
 */
export async function withLockFile<T>(path: string, action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  await using _lock = await takeLockFile(path, signal);
  return await action();
}

/** Takes a lock as {@link withLockFile} does; it is held until it is disposed of. */
export async function takeLockFile(path: string, signal?: AbortSignal): Promise<AsyncDisposable> {
  const mine = `${ownIdentity()} ${randomUUID()}`;
  for (let patience = firstLook; !(await take(path, mine)); patience = Math.min(patience * 1.2, laterLooks)) {
    signal?.throwIfAborted();
    const holder = await readLock(path);
    if (holder !== undefined && hasGone(holder)) await breakLock(path, holder);
    else await pause(patience * (0.5 + Math.random()), signal);
  }
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}

/** Removes what processes left in a directory that died in the moment of taking a lock. */
export async function removeAbandonedDrafts(directory: string): Promise<void> {
  for (const name of await listDirectory(directory)) {
    const path = join(directory, name);
    if (!draftName.test(name)) continue;
    const holder = await readLock(path);
    // One without content may be about to get it.
    if (holder !== undefined && holder !== '' && hasGone(holder)) await rm(path, { force: true });
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
  const nonce = holderPattern.exec(holder)?.[1] ?? 'damaged';
  await withLockFile(`${path}.${nonce}.break`, async () => {
    if ((await readLock(path)) === holder) await rm(path, { force: true });
  });
}

function hasGone(holder: string): boolean {
  return !holderPattern.test(holder) || isGone(holder.split(' ', 1)[0] ?? '');
}

async function readLock(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
