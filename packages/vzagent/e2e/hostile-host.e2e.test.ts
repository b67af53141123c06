import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeFrame, MAX_FRAME_LENGTH, type Message } from '@zlayer/vzagent-proto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AgentConnection } from './testing/agent-connection.ts';
import { executeOf, startOf } from './testing/container.ts';
import { NamespaceAgent, namespacesAreMissing } from './testing/namespace-agent.ts';

const missing = namespacesAreMissing();
const SETTLE = { timeout: 20_000, interval: 50 };

/** What a connection can be, and the messages that make it so. */
const ROLES = {
  control: [],
  process: [executeOf(['cat'], { stdin: true })],
  stream: [{ type: 'Connect', protocol: 'tcp', address: '', port: 7001 }],
  'archive out': [{ type: 'ArchiveGet', path: '/bin' }],
  'archive in': [{ type: 'ArchivePut', path: '/tmp', keepOwners: false, replaceFolders: false }],
} as const satisfies Record<string, readonly Message[]>;
const roles = Object.keys(ROLES) as (keyof typeof ROLES)[];

describe.skipIf(missing !== undefined)(
  `a host that misbehaves, with the agent under sanitizers${missing ? ` (${missing})` : ''}`,
  () => {
    let agent: NamespaceAgent;
    let workload: AgentConnection;
    let servers: AgentConnection;
    let descriptors: number;
    let children: number;
    let leaves: number;

    beforeAll(async () => {
      agent = await NamespaceAgent.start({ programs: ['sockets'] });
    });

    afterAll(async () => {
      await agent?.[Symbol.asyncDispose]();
      expect(agent.errors).not.toMatch(/Sanitizer|runtime error/);
    });

    beforeEach(async () => {
      workload = await agent.connect();
      workload.socket.setTimeout(0);
      await workload.ask(startOf(['sleep', '1000']), 'ProcessStarted');
      servers = await agent.connect();
      servers.socket.setTimeout(0);
      await servers.ask(executeOf(['sockets', 'echo', '7001', 'source', '7003']), 'ProcessStarted');
      for (let told = ''; told.split('\n').length < 3; ) told += Buffer.from((await servers.expect('Output')).data);
      // So many that have ended are kept, to be asked for: from then on there are never more.
      for (let i = 0; i < 64; i++) {
        await using one = await agent.connect();
        await one.ask(executeOf(['true']), 'ProcessStarted');
        await one.expect('ProcessExited');
      }
      await delay(200);
      descriptors = await agent.descriptors();
      children = await agent.children();
      leaves = (await agent.cgroups()).length;
    });

    /** What there was before is all that there is after, and everybody is served. */
    afterEach(async () => {
      await expect.poll(() => agent.descriptors(), SETTLE).toBeLessThanOrEqual(descriptors);
      await expect.poll(() => agent.children(), SETTLE).toBeLessThanOrEqual(children);
      await expect.poll(async () => (await agent.cgroups()).length, SETTLE).toBeLessThanOrEqual(leaves);
      await using connection = await agent.connect();
      expect(await connection.ask({ type: 'Hello', version: 1, features: [], software: '' }, 'Hello')).toBeDefined();
      await connection.ask(executeOf(['true']), 'ProcessStarted');
      expect(await connection.expect('ProcessExited')).toMatchObject({ code: 0 });
      await using other = await agent.connect();
      await other.ask({ type: 'SignalProcess', process: 0, signum: 9, target: 'all' }, 'Done');
      await other.ask({ type: 'Wait', process: 0 }, 'ProcessExited');
      workload.socket.destroy();
      servers.socket.destroy();
    });

    async function inRole(role: keyof typeof ROLES): Promise<Socket> {
      const stream = await agent.stream();
      stream.on('error', () => {});
      for (const message of ROLES[role]) stream.write(encodeFrame(message));
      if (ROLES[role].length > 0) await Promise.race([once(stream, 'data'), delay(role === 'archive in' ? 20 : 200)]);
      stream.resume();
      return stream;
    }

    /** Ended by the agent, in a bounded time. */
    async function isEnded(stream: Socket): Promise<void> {
      const ended = stream.closed ? Promise.resolve() : once(stream, 'close');
      await Promise.race([ended, delay(10_000).then(() => Promise.reject(new Error('it is still open')))]);
    }

    it.each(roles)('sends a frame of 16 MiB and one byte: %s', async (role) => {
      const stream = await inRole(role);
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32LE(MAX_FRAME_LENGTH + 1);
      prefix[4] = 71;
      stream.write(prefix);
      await isEnded(stream);
    });

    it.each(roles)('sends garbage: %s', async (role) => {
      for (let i = 0; i < 30; i++) {
        const stream = await inRole(role);
        // The first frame is one that no agent takes; whatever it is behind it, nobody reads.
        stream.write(Buffer.concat([Buffer.of(9, 0, 0, 0, 255), randomBytes(4096)]));
        await isEnded(stream);
      }
    });

    it.each(roles)('sends half a frame and vanishes: %s', async (role) => {
      for (let i = 0; i < 30; i++) {
        const stream = await inRole(role);
        stream.write(Buffer.concat([Buffer.of(0, 0, 16, 0, 71, 71), randomBytes(i * 1000)]), () => stream.destroy());
        await once(stream, 'close');
      }
    });

    it('connects by the thousand and says nothing', async () => {
      const idle = await Promise.all(Array.from({ length: 3000 }, () => agent.stream()));
      await using connection = await agent.connect();
      expect(await connection.ask({ type: 'Hello', version: 1, features: [], software: '' }, 'Hello')).toBeDefined();
      for (const stream of idle) stream.destroy();
    });

    it('vanishes while an archive goes in or out', async () => {
      const data = encodeFrame({ type: 'Data', data: tarHeaderOf('large', 8_000_000) });
      for (let i = 0; i < 20; i++) {
        const out = await inRole('archive out');
        out.destroy();
        const into = await inRole('archive in');
        into.write(data);
        into.write(encodeFrame({ type: 'Data', data: Buffer.alloc(60_000) }), () => into.destroy());
        await once(into, 'close');
      }
    });

    it('vanishes in the middle of a tunnel, with data under way both ways', async () => {
      for (const port of [7001, 7003]) {
        for (let i = 0; i < 20; i++) {
          const stream = await agent.stream();
          stream.write(encodeFrame({ type: 'Connect', protocol: 'tcp', address: '', port }));
          await once(stream, 'data');
          stream.pause();
          stream.write(encodeFrame({ type: 'Data', data: Buffer.alloc(65_536) }), () => stream.destroy());
          await once(stream, 'close');
        }
      }
    });

    it('vanishes while its program is being started, or runs', async () => {
      for (let i = 0; i < 60; i++) {
        const stream = await agent.stream();
        stream.write(encodeFrame(executeOf(['sleep', '1000'])));
        if (i % 3 === 0) await once(stream, 'data');
        else await delay(i % 5);
        stream.destroy();
      }
    });

    it('vanishes while its workload is being started, which runs for the next host all the same', async () => {
      const end = async (connection: AgentConnection) => {
        await connection.ask({ type: 'SignalProcess', process: 0, signum: 9, target: 'all' }, 'Done');
        await connection.expect('ProcessExited');
      };
      await end(workload);
      for (let i = 0; i < 20; i++) {
        const stream = await agent.stream();
        stream.write(encodeFrame(startOf(['sleep', '1000'])));
        await delay(i);
        stream.destroy();
        workload.socket.destroy();
        workload = await agent.connect();
        await expect.poll(() => attach(workload), SETTLE).toBe('ProcessStarted');
        if (i < 19) await end(workload);
      }
    });
  },
);

/** The type of the answer. */
async function attach(connection: AgentConnection): Promise<string | undefined> {
  connection.send({ type: 'Attach', process: 0, offset: null });
  return (await connection.next())?.type;
}

/** The first block of a tar archive with one file. */
function tarHeaderOf(name: string, bytes: number): Uint8Array {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        0', 148);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
