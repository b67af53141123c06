import { ZlayerError } from './errors.ts';
import { quote, subjectOf } from './quote.ts';

/** A user or group as an image or a spec names it: an id, or a name to look up in the container. */
export type Principal = { id: number } | { name: string };

/** Who runs a workload. Without a group, the user's primary group applies. */
export interface UserReference {
  user: Principal;
  group?: Principal;
}

const MAX_ID = 2 ** 32 - 2;

function principal(text: string, whole: string): Principal {
  if (/^\d+$/.test(text)) {
    const id = Number(text);
    if (id <= MAX_ID) return { id };
  } else if (/^[A-Za-z_][A-Za-z0-9_.-]{0,254}\$?$/.test(text)) {
    return { name: text };
  }
  throw new ZlayerError('INVALID_SPEC', `${quote(whole)} is not a user`, {
    subject: subjectOf(whole),
    remedy: 'Use a name or an id, with an optional group after a colon: postgres, 1000, 1000:1000, git:users.',
  });
}

/**
 * Reads `user`, `uid`, `user:group`, `uid:gid` and mixtures, as the OCI image specification has them. Empty is root.
 * Names are returned as names: they are looked up in the container, and an unknown one is an error there, never root.
 *
 * @throws ZlayerError `INVALID_SPEC`
 */
export function parseUser(text: string): UserReference {
  if (text === '') return { user: { id: 0 }, group: { id: 0 } };
  const colon = text.indexOf(':');
  if (colon < 0) return { user: principal(text, text) };
  return { user: principal(text.slice(0, colon), text), group: principal(text.slice(colon + 1), text) };
}
