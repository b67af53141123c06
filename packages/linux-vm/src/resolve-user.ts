import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { parseUser, type UserReference, ZlayerError } from '@zlayer/runtime-core';

/** Numeric identity of a workload. */
export interface ResolvedUser {
  uid: number;
  gid: number;
}

const MAX_DATABASE = 4 * 1024 * 1024;

/**
 * Reads `etc/passwd` or `etc/group` of a root file system. The image decides what stands at those paths, so no symbolic
 * link is followed: it could lead to the host's own file.
 */
async function readDatabase(rootfs: string, name: 'passwd' | 'group'): Promise<string[][]> {
  const etc = join(rootfs, 'etc');
  if (!(await lstat(etc).catch(() => undefined))?.isDirectory()) return [];
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(join(etc, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return [];
  }
  try {
    const { size } = await file.stat();
    if (size > MAX_DATABASE) return [];
    const text = (await file.readFile()).subarray(0, MAX_DATABASE).toString('utf8');
    return text.split('\n').map((line) => line.split(':'));
  } finally {
    await file.close();
  }
}

function unknown(kind: 'user' | 'group', name: string): never {
  throw new ZlayerError('START_FAILED', `the image has no ${kind} ${JSON.stringify(name)}`, {
    subject: name,
    remedy: `Use a ${kind} of the image's /etc/${kind === 'user' ? 'passwd' : 'group'}, or a number.`,
  });
}

function idOf(entry: readonly string[] | undefined, field: number): number | undefined {
  const text = entry?.[field];
  return text !== undefined && /^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 - 1 ? Number(text) : undefined;
}

/**
 * The ids that a user of an image or a spec stands for. A name is looked up in the root file system; a number without a
 * group takes the primary group that is recorded for it, or 0 as Docker does.
 *
 * @throws ZlayerError `START_FAILED` for an unknown name, which never becomes root.
 */
export async function resolveUser(rootfs: string, text: string): Promise<ResolvedUser> {
  const { user, group }: UserReference = parseUser(text);
  if ('id' in user && group && 'id' in group) return { uid: user.id, gid: group.id };
  const users = await readDatabase(rootfs, 'passwd');
  const entry = users.find((fields) => ('name' in user ? fields[0] === user.name : idOf(fields, 2) === user.id));
  const uid = 'id' in user ? user.id : (idOf(entry, 2) ?? unknown('user', user.name));
  if (group === undefined) return { uid, gid: idOf(entry, 3) ?? 0 };
  if ('id' in group) return { uid, gid: group.id };
  const groups = await readDatabase(rootfs, 'group');
  const gid = idOf(
    groups.find((fields) => fields[0] === group.name),
    2,
  );
  return { uid, gid: gid ?? unknown('group', group.name) };
}
