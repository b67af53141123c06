import { type BusyboxImage, debianLayer } from '@zlayer/test-images';

const USERS = [
  'root:x:0:0:root:/root:/bin/sh',
  'postgres:x:901:901::/var/lib/postgresql:/bin/sh',
  'redis:x:902:902::/data:/bin/sh',
  'node:x:903:903::/:/bin/sh',
];
const GROUPS = ['root:x:0:', 'postgres:x:901:', 'redis:x:902:', 'node:x:903:'];

/** Names for the users that programs run as. */
export const ACCOUNTS = [
  { path: 'etc/passwd', content: `${USERS.join('\n')}\n` },
  { path: 'etc/group', content: `${GROUPS.join('\n')}\n` },
];

/** Of `postgres`, in its image. */
export const POSTGRES_UID = 901;

/** Begins as root to take its volume, as PostgreSQL's own image does. */
const POSTGRES = `
set -e
bin=/usr/lib/postgresql/15/bin
chown postgres:postgres /data
chmod 700 /data
[ -s /data/PG_VERSION ] || su postgres -c "$bin/initdb -D /data -A trust --no-locale >/dev/null"
exec su postgres -c "exec $bin/postgres -D /data -k /tmp -c listen_addresses=127.0.0.1 -c jit=off"
`;

/** PostgreSQL of Debian 12, with its data in `/data`. */
export async function postgresImage(): Promise<BusyboxImage> {
  return {
    config: { Cmd: ['/bin/sh', '/start'] },
    layer: await debianLayer(['postgresql-15']),
    extra: [...ACCOUNTS, { path: 'start', content: POSTGRES }],
  };
}
