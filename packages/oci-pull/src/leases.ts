import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, isDigest } from './digest.ts';
import { systemErrorCode } from './errors.ts';
import { withLockFile } from './lock-file.ts';
import { abandonedStagingPaths, listDirectory, newStagingPath } from './staging.ts';

/** The lock of everything that decides which blobs stay: changes of the index, new leases, garbage collection. */
export function storeLock(directory: string): string {
  return join(directory, 'index.json.lock');
}

/**
 * Notes on disk that this process needs some digests. It is done under the store's lock, so that a garbage collection
 * has either ended before it or sees the note.
 */
export async function takeLease(
  directory: string,
  digests: readonly Digest[],
  signal: AbortSignal | undefined,
): Promise<AsyncDisposable> {
  const path = await newStagingPath(leaseDirectory(directory));
  await withLockFile(storeLock(directory), () => writeFile(path, `${digests.join('\n')}\n`, { flag: 'wx' }), signal);
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}

/** All digests that living processes need. Call it under the store's lock. */
export async function leasedDigests(directory: string): Promise<Digest[]> {
  const leases = leaseDirectory(directory);
  for (const path of await abandonedStagingPaths(leases)) await rm(path, { force: true });
  const digests: Digest[] = [];
  for (const name of await listDirectory(leases)) {
    try {
      digests.push(...(await readFile(join(leases, name), 'latin1')).split('\n').filter(isDigest));
    } catch (error) {
      // It was given back a moment ago.
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
  }
  return digests;
}

function leaseDirectory(directory: string): string {
  return join(directory, 'leases');
}
