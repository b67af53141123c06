import { randomUUID } from 'node:crypto';
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

/** How many bundles of an architecture stay in the cache, whenever they were used. */
const KEPT = 3;
/** A machine may still be about to boot from what was used within a day, and a process may still be at work on its parts. */
const KEPT_MS = 24 * 60 * 60 * 1000;

const INSTALLED = /^sha256-[0-9a-f]{64}$/;
const UNFINISHED = /^sha256-[0-9a-f]{64}\.(partial|removed)-/;

/** Notes that a bundle is used now; a folder that is not there is none. */
export async function noteUse(folder: string): Promise<void> {
  const now = new Date();
  await utimes(folder, now, now).catch(unlessAbsent);
}

/**
 * Removes the bundles of one architecture that were not used within a day, but for the newest ones, and what broken
 * processes left. Any number of processes may use the folder meanwhile: a bundle that one of them begins to use is put
 * back.
 *
 * @param folder the folder that holds the bundles, each in a folder of its digest.
 */
export async function removeOldBundles(folder: string): Promise<void> {
  const names = await readdir(folder);
  const installed = await withTimes(
    folder,
    names.filter((name) => INSTALLED.test(name)),
  );
  const oldest = installed.sort((a, b) => b.usedAt - a.usedAt).slice(KEPT);
  for (const { name, usedAt } of oldest) if (isOld(usedAt)) await removeUnused(join(folder, name));
  for (const { name, usedAt } of await withTimes(
    folder,
    names.filter((name) => UNFINISHED.test(name)),
  )) {
    if (isOld(usedAt)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

function isOld(usedAt: number): boolean {
  return Date.now() - usedAt > KEPT_MS;
}

async function withTimes(folder: string, names: readonly string[]): Promise<{ name: string; usedAt: number }[]> {
  const found: { name: string; usedAt: number }[] = [];
  for (const name of names) {
    const status = await stat(join(folder, name)).catch(unlessAbsent);
    if (status !== undefined) found.push({ name, usedAt: status.mtimeMs });
  }
  return found;
}

async function removeUnused(place: string): Promise<void> {
  const aside = `${place}.removed-${randomUUID()}`;
  const isMine = await rename(place, aside).then(
    () => true,
    (error: unknown) => unlessAbsent(error) ?? false,
  );
  if (!isMine) return;
  // Somebody may have begun to use it between the look at its time and now. Its use was noted first.
  if (!isOld((await stat(aside)).mtimeMs)) {
    const isBack = await rename(aside, place).then(
      () => true,
      () => false,
    );
    if (isBack) return;
  }
  await rm(aside, { recursive: true, force: true });
}

function unlessAbsent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
