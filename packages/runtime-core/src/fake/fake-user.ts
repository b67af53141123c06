import { ZlayerError } from '../errors.ts';
import { parseUser } from '../user.ts';
import type { FakeImage } from './fake-image.ts';

/** Who a process runs as. A name is looked up in the image; an unknown one is an error, never root. */
export function resolveUser(text: string, { users = {}, groups = {} }: FakeImage): { uid: number; gid: number } {
  const { user, group } = parseUser(text);
  const known = { root: { uid: 0, gid: 0 }, ...users };
  const entry =
    'id' in user
      ? (Object.values(known).find(({ uid }) => uid === user.id) ?? { uid: user.id, gid: 0 })
      : lookUp(known, user.name, 'user');
  if (group === undefined) return entry;
  const gid = 'id' in group ? group.id : lookUp({ root: 0, ...groups }, group.name, 'group');
  return { uid: entry.uid, gid };
}

function lookUp<T>(table: Readonly<Record<string, T>>, name: string, what: string): T {
  const found = Object.hasOwn(table, name) ? table[name] : undefined;
  if (found !== undefined) return found;
  throw new ZlayerError('NOT_FOUND', `the image has no ${what} ${name}`, {
    subject: name,
    remedy: `Add it to the ${what}s of the image, or use a number.`,
  });
}
