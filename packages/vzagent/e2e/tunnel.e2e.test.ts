import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentClient, type AgentProcess } from '@zlayer/vzagent-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileStatic } from '../build/toolchain.ts';
import { resolveGuest } from '../src/index.ts';
import { makeContainerRoot } from './testing/container-root.ts';
import { diskArguments, makeErofs } from './testing/disk.ts';
import { Machine } from './testing/machine.ts';
import { executeSpec, shell, startSpec } from './testing/start-spec.ts';

const architecture = 'amd64';
const SERVERS = ['echo', '7001', 'count', '7002', 'source', '7003', 'reset', '7004', 'udp', '7005', 'many', '7006'];

describe('tunnels into a guest', () => {
  let folder: string;
  let machine: Machine;
  let client: AgentClient;
  let servers: AgentProcess;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-tunnel-'));
    const image = join(folder, 'image');
    await makeContainerRoot(image, architecture);
    await compileStatic(architecture, ['sockets.c'], join(import.meta.dirname, 'testing'), join(image, 'bin/sockets'));
    await makeErofs(join(folder, 'root.erofs'), image);
    machine = await Machine.boot({
      ...(await resolveGuest({ architecture })),
      devices: diskArguments('root', join(folder, 'root.erofs'), { readonly: true }),
    });
    client = machine.client();
    const all = [...SERVERS, 'echo', '/tmp/echo.sock'];
    const rlimits = [{ resource: 'nofile', soft: 8192, hard: 8192 }];
    servers = await client.start(startSpec({ argv: ['sockets', ...all], rlimits }));
    let told = '';
    for await (const { data } of servers.output) {
      told += Buffer.from(data).toString();
      if (told.split('\n').length > all.length / 2) break;
    }
  });

  afterAll(async () => {
    servers?.close();
    await machine?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const tcp = (port: number): Promise<Duplex> => client.connectTo({ protocol: 'tcp', port });

  it('carry bytes both ways, to TCP and to a Unix socket of the container', async () => {
    for (const tunnel of [await tcp(7001), await client.connectTo({ protocol: 'unix', address: '/tmp/echo.sock' })]) {
      tunnel.end('hello');
      expect(await text(tunnel)).toBe('hello');
    }
  });

  it('end one way by themselves: the server sees the end of the request and still answers', async () => {
    const tunnel = await tcp(7002);
    const block = Buffer.alloc(64 * 1024, 1);
    for (let i = 0; i < 64; i++)
      if (!tunnel.write(block)) await new Promise((resolve) => tunnel.once('drain', resolve));
    tunnel.end();
    expect(await text(tunnel)).toBe(String(64 * block.length));
  });

  it('bring all of a large answer to a slow reader', async () => {
    const tunnel = await tcp(7003);
    await delay(300);
    expect((await buffer(tunnel)).length).toBe(32 * 1024 * 1024);
    tunnel.destroy();
  });

  it('say when nobody listens, when a socket file has no owner, and when there is none', async () => {
    await expect(tcp(7999)).rejects.toMatchObject({ kind: 'refused' });
    await expect(client.connectTo({ protocol: 'unix', address: '/tmp/none.sock' })).rejects.toMatchObject({
      kind: 'notFound',
    });
    await expect(client.connectTo({ protocol: 'unix', address: '/etc/passwd' })).rejects.toMatchObject({
      kind: 'refused',
    });
    await expect(client.connectTo({ protocol: 'tcp', address: 'a.name', port: 1 })).rejects.toMatchObject({
      kind: 'invalid',
    });
    await expect(client.connectTo({ protocol: 'tcp', port: 0 })).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('carry what is said before the guest has connected, and fail where nobody listens', async () => {
    for (const target of [
      { protocol: 'tcp', port: 7001 } as const,
      { protocol: 'unix', address: '/tmp/echo.sock' } as const,
    ]) {
      const tunnel = await client.connectTo(target, { early: true });
      const sent = Buffer.alloc(1_000_000, 'early');
      tunnel.end(sent);
      expect((await buffer(tunnel)).equals(sent)).toBe(true);
    }
    const refused = await client.connectTo({ protocol: 'tcp', port: 7999 }, { early: true });
    refused.write('to nobody');
    await expect(text(refused)).rejects.toMatchObject({ kind: 'refused' });
  });

  it('come one after the other, and executions too, over one connection', async () => {
    let connections = 0;
    const counted = new AgentClient(() => {
      connections += 1;
      return machine.stream();
    });
    await counted.hello();
    for (let i = 0; i < 10; i += 1) {
      const tunnel = await counted.connectTo({ protocol: 'tcp', port: 7001 });
      tunnel.end(`number ${i}`);
      expect(await text(tunnel)).toBe(`number ${i}`);
      if (!tunnel.closed) await once(tunnel, 'close');
      const execution = await counted.execute(executeSpec({ argv: ['sh', '-c', 'exit 3'] }));
      expect(await execution.exited).toMatchObject({ code: 3 });
    }
    // That of Hello, and one.
    expect(connections).toBe(2);
  });

  it('pass a reset on', async () => {
    const tunnel = await tcp(7004);
    tunnel.write('x');
    await expect(text(tunnel)).rejects.toMatchObject({ kind: 'reset' });
  });

  it('carry datagrams, each by itself, empty ones and those of the largest size as well', async () => {
    const datagrams = await client.connectTo({ protocol: 'udp', port: 7005 });
    const sizes = [5, 0, 65_507, 1];
    const received: number[] = [];
    const answers = (async () => {
      for await (const data of datagrams) if (received.push(data.length) === sizes.length) return;
    })();
    for (const size of sizes) await datagrams.send(Buffer.alloc(size, 7));
    await answers;
    datagrams.close();
    expect(received).toEqual(sizes);
  });

  it('lose a datagram that nobody takes, and no more', async () => {
    const datagrams = await client.connectTo({ protocol: 'udp', port: 7998 });
    for (let i = 0; i < 3; i++) await datagrams.send(Buffer.from('x'));
    datagrams.close();
  });

  it('come by the thousand, all open at once, and leave nothing behind', async () => {
    const before = await countSockets(client);
    const tunnels: Duplex[] = [];
    for (let batch = 0; batch < 10; batch++) {
      tunnels.push(...(await Promise.all(Array.from({ length: 100 }, () => tcp(7006)))));
    }
    await Promise.all(
      tunnels.map(async (tunnel, index) => {
        tunnel.end(`tunnel ${index}`);
        expect(await text(tunnel)).toBe(`tunnel ${index}`);
      }),
    );
    // It is the host that closes what it needs no more, and the guest learns it a moment later.
    await expect.poll(() => countSockets(client), { timeout: 5000 }).toBeLessThanOrEqual(before + 2);
  });

  it('are as raw as the reference’s hosts want them, with one Error frame for a refusal', async () => {
    await using connection = await machine.connect();
    connection.send({ type: 'Forward', port: 7001 });
    connection.socket.write('raw bytes');
    const answer = await new Promise<Buffer>((resolve) => connection.socket.once('data', resolve));
    expect(answer.toString()).toBe('raw bytes');
    await using refused = await machine.connect();
    refused.send({ type: 'Forward', port: 7999 });
    expect(await refused.next()).toMatchObject({
      type: 'Error',
      message: expect.stringContaining('Connection refused'),
    });
    expect(await refused.next()).toBeUndefined();
  });

  it('bring a large answer through a raw tunnel whole', async () => {
    await using connection = await machine.connect();
    connection.send({ type: 'Forward', port: 7003 });
    let length = 0;
    for await (const chunk of connection.socket) {
      length += (chunk as Buffer).length;
      if (length === 32 * 1024 * 1024) break;
    }
    expect(length).toBe(32 * 1024 * 1024);
  });
});

/** Open sockets of the whole guest, as the kernel counts them. */
async function countSockets(client: AgentClient): Promise<number> {
  const { stdout } = await shell(client, 'cat /proc/net/sockstat');
  return Number(/sockets: used (\d+)/.exec(stdout)?.[1]);
}
