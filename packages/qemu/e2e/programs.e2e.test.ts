import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ServiceSpecInput } from '@zlayer/runtime-core';
import { debianLayer, type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { QemuRuntime } from '../src/index.ts';

const run = promisify(execFile);
const id = { service: 'program', replica: 0 };

const USERS = [
  'root:x:0:0:root:/root:/bin/sh',
  'postgres:x:901:901::/var/lib/postgresql:/bin/sh',
  'redis:x:902:902::/data:/bin/sh',
  'node:x:903:903::/:/bin/sh',
];
const GROUPS = ['root:x:0:', 'postgres:x:901:', 'redis:x:902:', 'node:x:903:'];

/** Begins as root to take its volume, as PostgreSQL's own image does. */
const POSTGRES = `
set -e
bin=/usr/lib/postgresql/15/bin
chown postgres:postgres /data
chmod 700 /data
[ -s /data/PG_VERSION ] || su postgres -c "$bin/initdb -D /data -A trust --no-locale >/dev/null"
exec su postgres -c "exec $bin/postgres -D /data -k /tmp -c listen_addresses=127.0.0.1 -c jit=off"
`;

const NODE = `
require('node:http').createServer((request, response) => response.end(request.url + ' ' + process.getuid())).listen(3000);
`;

describe('real programs in amd64 guests', () => {
  let dataDir: string;
  let served: ServedImages<'httpd' | 'postgres' | 'redis' | 'node'>;
  let runtime: QemuRuntime;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-programs-'));
    const extra = [
      { path: 'etc/passwd', content: `${USERS.join('\n')}\n` },
      { path: 'etc/group', content: `${GROUPS.join('\n')}\n` },
    ];
    const [database, store, node] = [
      await debianLayer(['postgresql-15']),
      await debianLayer(['redis-server']),
      await debianLayer(['nodejs']),
    ];
    served = await serveBusybox({
      architectures: ['amd64'],
      images: {
        httpd: {
          config: { Cmd: ['httpd', '-f', '-p', '8080', '-h', '/srv'], User: 'nobody' },
          extra: [{ path: 'srv/index.html', content: 'hello\n' }],
        },
        postgres: {
          config: { Cmd: ['/bin/sh', '/start'] },
          layer: database,
          extra: [...extra, { path: 'start', content: POSTGRES }],
        },
        redis: {
          config: { Cmd: ['redis-server', '--dir', '/data'], User: 'redis' },
          layer: store,
          extra: [...extra, { type: 'directory', path: 'data', uid: 902, gid: 902, mode: 0o755 }],
        },
        node: {
          config: { Cmd: ['node', '/server.cjs'], User: 'node' },
          layer: node,
          extra: [...extra, { path: 'server.cjs', content: NODE }],
        },
      },
    });
    runtime = new QemuRuntime({ dataDir });
  });
  afterEach(() => runtime.removeContainer(id, { force: true }));
  afterAll(async () => {
    await runtime?.close();
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  /** Starts a program that listens. Resolves to the host's port once it answers. */
  const start = async (spec: ServiceSpecInput, port: number): Promise<number> => {
    await runtime.createContainer(id, { platform: 'linux/amd64', ports: [port], ...spec });
    await runtime.startContainer(id);
    const ended = runtime.waitContainer(id).then(async () => {
      const log = (await runtime.containerLogs(id)).map(({ data }) => Buffer.from(data).toString());
      throw new Error(`the program ended: ${log.join('')}`);
    });
    ended.catch(() => {});
    const [mapping] = await runtime.portMappings(id);
    if (mapping === undefined) throw new Error('no port was published');
    await Promise.race([ended, listens(port)]);
    return mapping.hostPort;
  };

  const listens = async (port: number): Promise<void> => {
    for (;;) {
      const stream = await runtime.connect(id, port).catch(() => undefined);
      if (stream !== undefined) return void stream.destroy();
      await delay(200);
    }
  };

  const says = async (text: string): Promise<void> => {
    for await (const { data } of runtime.logsStream(id, { follow: true })) if (Buffer.from(data).includes(text)) return;
    throw new Error(`the program never said ${text}`);
  };

  it('httpd answers a load generator without a failure', async () => {
    const port = await start({ image: served.images.httpd }, 8080);
    const { stdout } = await run('ab', ['-q', '-n', '300', '-c', '20', `http://127.0.0.1:${port}/`]);
    expect(stdout).toMatch(/^Complete requests: +300$/m);
    expect(stdout).toMatch(/^Failed requests: +0$/m);
    expect(stdout).not.toMatch(/^Non-2xx/m);
  });

  it('Redis keeps what it was told on a volume, as its own user', async () => {
    const spec = {
      image: served.images.redis,
      storage: [{ type: 'named', name: 'store', target: '/data' }],
    } satisfies ServiceSpecInput;
    expect(await redis(await start(spec, 6379), 'SET key value', 'SAVE')).toBe('+OK\r\n+OK\r\n');
    expect((await runtime.exec(id, ['id', '-un'])).stdoutText).toBe('redis\n');
    await runtime.stopContainer(id);
    await runtime.removeContainer(id);
    expect(await redis(await start(spec, 6379), 'GET key')).toBe('$5\r\nvalue\r\n');
  });

  it('a Node program serves, as its own user', async () => {
    const port = await start({ image: served.images.node }, 3000);
    const response = await fetch(`http://127.0.0.1:${port}/path`);
    expect(await response.text()).toBe('/path 903');
  });

  it('PostgreSQL survives pgbench and its container', { timeout: 240_000 }, async () => {
    const spec = {
      image: served.images.postgres,
      storage: [{ type: 'named', name: 'database', target: '/data' }],
      resources: { cpu: 2, memory: '512Mi' },
      stopSignal: 'SIGINT',
    } satisfies ServiceSpecInput;
    const ready = 'database system is ready';
    const first = await start(spec, 5432);
    await says(ready);
    const tools = join(dataDir, 'postgresql');
    await unpack(await debianLayer(['postgresql-15']), tools);
    // With the loader and the libraries that it was made for.
    const libraries = ['lib', 'usr/lib'].map((path) => join(tools, path, 'x86_64-linux-gnu')).join(':');
    const program = [join(tools, 'lib64/ld-linux-x86-64.so.2'), '--library-path', libraries] as const;
    const pgbench = (port: number, ...args: string[]) => {
      const server = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres'];
      const [loader, ...options] = program;
      return run(loader, [
        ...options,
        join(tools, 'usr/lib/postgresql/15/bin/pgbench'),
        ...server,
        ...args,
        'postgres',
      ]);
    };
    await pgbench(first, '-i', '-q');
    const { stdout } = await pgbench(first, '-c', '2', '-t', '25');
    expect(stdout).toMatch(/transactions actually processed: 50\/50/);
    await runtime.stopContainer(id, { timeoutMs: 30_000 });
    expect(await runtime.waitContainer(id)).toMatchObject({ reason: 'exited', exitCode: 0 });
    await runtime.removeContainer(id);
    await start(spec, 5432);
    await says(ready);
    const psql = ['/usr/lib/postgresql/15/bin/psql', '-h', '/tmp', '-U', 'postgres', '-Atc'];
    const { stdoutText } = await runtime.exec(id, [...psql, 'select count(*) from pgbench_history']);
    expect(stdoutText).toBe('50\n');
  });
});

/** Sends Redis inline commands. Resolves to its answers. */
async function redis(port: number, ...commands: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write([...commands, 'QUIT', ''].join('\r\n'));
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  await once(socket, 'close');
  return text.replace(/\+OK\r\n$/, '');
}

async function unpack(archive: Buffer, directory: string): Promise<void> {
  await mkdir(directory);
  const tar = run('tar', ['-x', '-C', directory]);
  tar.child.stdin?.end(archive);
  await tar;
}
