import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ServiceSpecInput } from '@zlayer/runtime-core';
import { debianLayer, type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { QemuRuntime } from '../src/index.ts';
import { OrdinaryUser, ordinaryUsersCanRun } from './ordinary-user.ts';
import { ACCOUNTS, POSTGRES_UID, postgresImage } from './program-images.ts';

const run = promisify(execFile);
const canRunAsUser = await ordinaryUsersCanRun();
const id = { service: 'program', replica: 0 };

const NODE = `
require('node:http').createServer((request, response) => response.end(request.url + ' ' + process.getuid())).listen(3000);
`;

describe('real programs in amd64 guests', () => {
  let dataDir: string;
  let served: ServedImages<'httpd' | 'postgres' | 'redis' | 'node'>;
  let runtime: QemuRuntime;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-programs-'));
    const [store, node] = [await debianLayer(['redis-server']), await debianLayer(['nodejs'])];
    served = await serveBusybox({
      architectures: ['amd64'],
      images: {
        httpd: {
          config: { Cmd: ['httpd', '-f', '-p', '8080', '-h', '/srv'], User: 'nobody' },
          extra: [{ path: 'srv/index.html', content: 'hello\n' }],
        },
        postgres: await postgresImage(),
        redis: {
          config: { Cmd: ['redis-server', '--dir', '/data'], User: 'redis' },
          layer: store,
          extra: [...ACCOUNTS, { type: 'directory', path: 'data', uid: 902, gid: 902, mode: 0o755 }],
        },
        node: {
          config: { Cmd: ['node', '/server.cjs'], User: 'node' },
          layer: node,
          extra: [...ACCOUNTS, { path: 'server.cjs', content: NODE }],
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

  it.each(['a volume', 'a folder of the host'])(
    'PostgreSQL on %s survives pgbench and its container',
    {
      timeout: 240_000,
    },
    async (place) => {
      const folder = join(dataDir, 'database');
      await mkdir(folder, { recursive: true });
      const spec = {
        image: served.images.postgres,
        storage:
          place === 'a volume'
            ? [{ type: 'named', name: 'database', target: '/data' }]
            : [{ type: 'bind', source: folder, target: '/data' }],
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
    },
  );

  it.skipIf(!canRunAsUser)(
    'PostgreSQL survives its container on a folder of an ordinary user (who has to be able to read this checkout)',
    { timeout: 300_000 },
    async () => {
      await using user = await OrdinaryUser.make(POSTGRES_UID, 'amd64');
      const spec = {
        image: served.images.postgres,
        platform: 'linux/amd64',
        storage: [{ type: 'bind', source: user.share, target: '/data' }],
        resources: { cpu: 2, memory: '512Mi' },
        stopSignal: 'SIGINT',
      } satisfies ServiceSpecInput;
      const psql = ['/usr/lib/postgresql/15/bin/psql', '-h', '/tmp', '-U', 'postgres', '-Atc'];
      const ready = `until ${psql.slice(0, -1).join(' ')} -c 'select 1' >/dev/null 2>&1; do sleep 0.5; done`;
      {
        await using container = await user.start(spec);
        await container.exec('sh', '-c', ready);
        const made = 'create table kept as select generate_series(1, 20000) as number';
        expect(await container.exec(...psql, made)).toMatchObject({ exitCode: 0, stdoutText: 'SELECT 20000\n' });
        expect(await container.exec(...psql, 'checkpoint')).toMatchObject({ exitCode: 0 });
        expect(await container.stop()).toMatchObject({ reason: 'exited', exitCode: 0 });
      }
      // Its files are the user's on the host.
      expect((await stat(join(user.share, 'PG_VERSION'))).uid).toBe(POSTGRES_UID);
      await using container = await user.start(spec);
      await container.exec('sh', '-c', ready);
      expect(await container.exec(...psql, 'select sum(number) from kept')).toMatchObject({
        stdoutText: '200010000\n',
      });
      expect(await container.stop()).toMatchObject({ reason: 'exited', exitCode: 0 });
    },
  );
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
  await mkdir(directory, { recursive: true });
  const tar = run('tar', ['-x', '-C', directory]);
  tar.child.stdin?.end(archive);
  await tar;
}
