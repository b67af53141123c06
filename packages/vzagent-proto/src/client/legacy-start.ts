import type { MessageOf } from '../message.ts';
import type { ExecuteSpec, StartSpec } from './agent-client.ts';
import { legacyError } from './legacy-dialect.ts';

/** The fields of `Exec`. */
export type LegacyExec = Omit<MessageOf<'Exec'>, 'type'>;

/** The `Run` that says the same; throws where none can. */
export function legacyRun(spec: StartSpec): Omit<MessageOf<'Run'>, 'type'> {
  requirePlain(spec);
  const { argv, env, cwd, user, mounts, root, names, limits } = spec;
  if (mounts.length > 0) throw legacyError('mounts but shares (use `legacy.mount`)');
  if (root.lower !== 'share' || root.upper !== 'none' || root.readonly) throw legacyError('roots but a writable share');
  const { hostname, dnsServers, dnsSearch, dnsOptions, hosts } = names;
  if (hostname !== null) throw legacyError('host names');
  if ([dnsServers, dnsSearch, dnsOptions, hosts].some(({ length }) => length > 0))
    throw legacyError('name service settings');
  if (Object.values(limits).some((limit) => limit !== null)) throw legacyError('limits');
  const [uid, gid] = idsOf(user);
  return { argv, env, cwd, uid, gid };
}

/** The `Exec` that says the same; throws where none can. */
export function legacyExec(spec: ExecuteSpec): LegacyExec {
  requirePlain(spec);
  if (spec.stdin) throw legacyError('input for executed processes');
  if (spec.whenLost === 'keep') throw legacyError('processes that outlive their connection');
  const { argv, env, cwd, user } = spec;
  return { argv, env, cwd, uid: null, gid: null, user: user === '' ? null : user };
}

function requirePlain({ tty, rlimits, groups }: StartSpec | ExecuteSpec): void {
  if (tty !== null) throw legacyError('terminals');
  if (rlimits.length > 0) throw legacyError('resource limits');
  if (groups.length > 0) throw legacyError('supplementary groups');
}

/** `Run` knows numbers alone: a name in the place of one would make root of it. */
function idsOf(user: string): [uid: number, gid: number] {
  const [, uid, gid] = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(user) ?? [];
  if (user === '') return [0, 0];
  if (uid === undefined) throw legacyError('users by name');
  return [Number(uid), Number(gid ?? uid)];
}
