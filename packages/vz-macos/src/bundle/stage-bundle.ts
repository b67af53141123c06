import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { FileLock } from '@zlayer/host';
import { ZlayerError } from '@zlayer/runtime-core';
import { syncPath } from './sync.ts';

/**
 * Makes a bundle that appears when it is complete, by one process at a time.
 *
 * @param fill Gets the directory beside it, `DIRECTORY.partial`, which an earlier attempt may have left. What it leaves
 * there, all of it synced, is the bundle.
 * @throws ZlayerError `ALREADY_EXISTS`; what `fill` throws.
 */
export async function stageBundle<T>(
  directory: string,
  signal: AbortSignal | undefined,
  fill: (staging: string) => Promise<T>,
): Promise<T> {
  const target = resolve(directory);
  await refuseExisting(target);
  await mkdir(dirname(target), { recursive: true });
  const lockFile = `${target}.lock`;
  using _lock = await FileLock.acquire(lockFile, { signal });
  try {
    // Somebody else may have made it while this process waited.
    await refuseExisting(target);
    const staging = `${target}.partial`;
    const result = await fill(staging);
    signal?.throwIfAborted();
    await syncPath(staging);
    await rename(staging, target);
    await syncPath(dirname(target));
    return result;
  } finally {
    // Whoever waits for it notices, and makes it anew.
    await rm(lockFile, { force: true });
  }
}

/** @throws ZlayerError `ALREADY_EXISTS` */
async function refuseExisting(directory: string): Promise<void> {
  const found = await lstat(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return;
  throw new ZlayerError('ALREADY_EXISTS', `There is something at ${directory} already.`, {
    subject: directory,
    remedy: 'Choose another directory, or remove that one.',
  });
}
