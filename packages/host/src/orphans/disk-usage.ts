import type { BigIntStats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** A block as `stat` counts them, whatever the file system's own are. */
const BLOCK_BYTES = 512n;

/**
 * The room that a file, or a directory with all that is in it, takes on its disk: holes take none, and a file with several
 * names is counted once. Links are not followed. What vanishes meanwhile takes none.
 */
export async function diskUsage(path: string): Promise<number> {
  return Number(await usage(path, new Set()));
}

async function usage(path: string, seen: Set<string>): Promise<bigint> {
  const info = await lstat(path, { bigint: true }).catch(() => undefined);
  if (info === undefined || isSeen(info, seen)) return 0n;
  let total = info.blocks * BLOCK_BYTES;
  if (!info.isDirectory()) return total;
  for (const name of await readdir(path).catch(() => [])) total += await usage(join(path, name), seen);
  return total;
}

function isSeen({ nlink, dev, ino }: BigIntStats, seen: Set<string>): boolean {
  if (nlink < 2n) return false;
  const key = `${dev} ${ino}`;
  if (seen.has(key)) return true;
  seen.add(key);
  return false;
}
