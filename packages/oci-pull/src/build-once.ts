import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { takeLockFile } from './lock-file.ts';
import { abandonedStagingPaths, newStagingPath } from './staging.ts';

export interface BuildOnce<T> {
  /** What is being built; a lock file lies beside it meanwhile. */
  readonly target: string;
  /** Directory of unfinished work, on the same file system. */
  readonly staging: string;
  readonly signal: AbortSignal;
  /** Gives what is there already, or undefined. */
  find(): Promise<T | undefined>;
  /** Builds at a fresh path and moves it to the target. */
  build(staged: string): Promise<T>;
  /** Removes unfinished work, also that of processes that died. */
  remove(staged: string): Promise<void>;
}

/** Builds something that is there complete or not at all, once: other callers, in any process, wait and find it. */
export async function buildOnce<T>({ target, staging, signal, find, build, remove }: BuildOnce<T>): Promise<T> {
  const early = await find();
  if (early !== undefined) return early;
  await mkdir(dirname(target), { recursive: true });
  await using _lock = await takeLockFile(`${target}.lock`, signal);
  const existing = await find();
  if (existing !== undefined) return existing;
  for (const path of await abandonedStagingPaths(staging)) await remove(path);
  const staged = await newStagingPath(staging);
  try {
    return await build(staged);
  } finally {
    await remove(staged);
  }
}
