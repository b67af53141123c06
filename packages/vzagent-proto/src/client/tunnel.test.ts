import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type Duplex, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Message } from '../message.ts';
import { type Peer, type Script, ScriptedAgent } from '../testing/scripted-agent.ts';
import { AgentClient } from './agent-client.ts';
import type { Tunnel } from './tunnel.ts';

const data = (content: string | Uint8Array): Message => ({ type: 'Data', data: Buffer.from(content) });

function tunnelAgent(script: (peer: Peer) => Promise<void>): Promise<ScriptedAgent> {
  return ScriptedAgent.start(async (peer) => {
    await peer.expect('Connect');
    await peer.send({ type: 'Done' });
    await script(peer);
  });
}

async function tunnelTo(agent: ScriptedAgent): Promise<Tunnel> {
  const tunnel = await new AgentClient(agent.connect).connectTo({ protocol: 'tcp', port: 80 });
  return tunnel as Tunnel;
}

async function echo(peer: Peer): Promise<void> {
  for (let message = await peer.next(); message !== undefined; message = await peer.next()) {
    await peer.send(message);
    if (message.type === 'End') return peer.closed();
  }
}

describe('a tunnel', () => {
  it('carries everything both ways, and closes when both sides have ended', async () => {
    await using agent = await tunnelAgent(echo);
    const tunnel = await tunnelTo(agent);
    const sent = createHash('sha256');
    const received = createHash('sha256');
    const source = Readable.from(
      (function* () {
        for (let i = 0; i < 200; i++) {
          const piece = Buffer.alloc(i * 997, i);
          sent.update(piece);
          yield piece;
        }
      })(),
    );
    await Promise.all([
      pipeline(source, tunnel, { end: true }),
      (async () => {
        for await (const piece of tunnel) received.update(piece);
      })(),
    ]);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    await agent.idle();
  });

  it('half-closes each way by itself', async () => {
    await using agent = await tunnelAgent(async (peer) => {
      await peer.send(data('first'), { type: 'End' });
      await delay(20);
      expect(Buffer.from((await peer.expect('Data')).data).toString()).toBe('after your end');
      await peer.expect('End');
      await peer.closed();
    });
    const tunnel = await tunnelTo(agent);
    expect(await text(tunnel)).toBe('first');
    tunnel.end('after your end');
    await once(tunnel, 'close');
    await agent.idle();

    await using other = await tunnelAgent(async (peer) => {
      await peer.expect('End');
      await delay(20);
      await peer.send(data('after your end'), { type: 'End' });
      await peer.closed();
    });
    const ended = await tunnelTo(other);
    ended.end();
    expect(await text(ended)).toBe('after your end');
    await other.idle();
  });

  it.each<[string, (Message | Uint8Array)[], string, string]>([
    ['is reset', [data('x'), { type: 'Reset', message: 'ECONNRESET\x07' }], 'reset', 'NETWORK'],
    ['is reset behind its end', [{ type: 'End' }, { type: 'Reset', message: '' }], 'reset', 'NETWORK'],
    ['hangs up without an end', [data('x')], 'lost', 'UNAVAILABLE'],
    ['hangs up behind its end before ours', [{ type: 'End' }], 'lost', 'UNAVAILABLE'],
    ['sends data behind its end', [{ type: 'End' }, data('x')], 'malformed', 'INTERNAL'],
    ['ends twice', [{ type: 'End' }, { type: 'End' }], 'malformed', 'INTERNAL'],
    ['sends what has no place', [{ type: 'Done' }], 'malformed', 'INTERNAL'],
    ['claims a giant frame', [Uint8Array.of(1, 0, 0, 1, 71)], 'malformed', 'INTERNAL'],
  ])('fails when the other side %s', async (_, messages, kind, code) => {
    await using agent = await tunnelAgent(async (peer) => {
      await peer.send(...messages);
      await delay(20);
    });
    const tunnel = await tunnelTo(agent);
    tunnel.on('error', () => {});
    await new Promise((resolve) => tunnel.once('close', resolve).resume());
    expect(tunnel.errored).toMatchObject({ name: 'AgentError', kind, code });
    await agent.idle();
  });

  it('is known to be reset by one who only writes', async () => {
    await using agent = await tunnelAgent((peer) => peer.send({ type: 'Reset', message: 'gone' }));
    const tunnel = await tunnelTo(agent);
    await expect(once(tunnel, 'close')).rejects.toMatchObject({ kind: 'reset', message: 'Connect: gone' });
    await agent.idle();
  });

  it('resets the other side when it is given up', async () => {
    const seen: (string | undefined)[] = [];
    await using agent = await tunnelAgent(async (peer) => {
      for (let message = await peer.next(); message !== undefined; message = await peer.next()) seen.push(message.type);
    });
    const tunnel = await tunnelTo(agent);
    tunnel.on('error', () => {});
    tunnel.write('x');
    await delay(20);
    tunnel.destroy(new Error('enough'));
    await agent.idle();
    expect(seen).toEqual(['Data', 'Reset']);
  });

  it('holds back a writer whose reader is slow, both ways', async () => {
    let sent = 0;
    await using agent = await tunnelAgent(async (peer) => {
      for (; sent < 500 && !peer.socket.destroyed; sent++) await peer.send(data(new Uint8Array(65_536)));
    });
    const tunnel = await tunnelTo(agent);
    let written = 0;
    for (let isFlowing = true; isFlowing && written < 500; written++) {
      if (tunnel.write(new Uint8Array(65_536))) continue;
      isFlowing = await Promise.race([once(tunnel, 'drain').then(() => true), delay(200, false)]);
    }
    expect(written).toBeLessThan(30);
    expect(sent).toBeLessThan(30);
    tunnel.on('error', () => {}).destroy();
    await agent.idle();
  });

  it('tells that nobody listens', async () => {
    await using agent = await ScriptedAgent.start(async (peer) => {
      expect(await peer.expect('Connect')).toMatchObject({ protocol: 'unix', address: '/run/s', port: 0 });
      await peer.send({ type: 'Failed', kind: 'refused', message: 'ECONNREFUSED' });
    });
    const connecting = new AgentClient(agent.connect).connectTo({ protocol: 'unix', address: '/run/s' });
    await expect(connecting).rejects.toMatchObject({ kind: 'refused', code: 'NETWORK', subject: '/run/s' });
    await agent.idle();
  });
});

describe('an early tunnel', () => {
  const early = (client: AgentClient): Promise<Duplex> =>
    client.connectTo({ protocol: 'tcp', port: 80 }, { early: true });

  it('sends what is written along with the request', async () => {
    await using agent = await ScriptedAgent.start(async (peer) => {
      await peer.expect('Connect');
      expect(Buffer.from((await peer.expect('Data')).data).toString()).toBe('question');
      await peer.send({ type: 'Done' }, data('answer'));
      await echo(peer);
    });
    const tunnel = await early(new AgentClient(agent.connect));
    tunnel.end('question');
    expect(await text(tunnel)).toBe('answer');
    await agent.idle();
  });

  it.each<[string, Message[], string]>([
    ['nobody listens', [{ type: 'Failed', kind: 'refused', message: 'ECONNREFUSED' }], 'refused'],
    ['the guest hangs up', [], 'lost'],
    ['the guest begins with data', [data('x')], 'malformed'],
  ])('fails as a stream when %s', async (_, messages, kind) => {
    await using agent = await ScriptedAgent.start(async (peer) => {
      await peer.expect('Connect');
      await peer.send(...messages);
    });
    const tunnel = await early(new AgentClient(agent.connect));
    tunnel.write('lost');
    await expect(once(tunnel, 'close')).rejects.toMatchObject({ kind });
    await agent.idle();
  });

  it('fails when the guest does not connect in time', async () => {
    await using agent = await ScriptedAgent.start((peer) => peer.closed());
    const tunnel = await early(new AgentClient(agent.connect, { timeoutMs: 50 }));
    await expect(once(tunnel, 'close')).rejects.toMatchObject({ kind: 'timeout' });
    await agent.idle();
  });
});

describe('tunnels one after the other', () => {
  const HELLO: Message = { type: 'Hello', version: 1, features: ['reuse'], software: 'scripted' };

  /** An agent that takes tunnel after tunnel on each connection, and counts those of each. */
  async function reusing(tunnels: number[], isFirstToEnd = false): Promise<ScriptedAgent> {
    const script: Script = async (peer, connection) => {
      if (connection === 0) {
        await peer.expect('Hello');
        return await peer.send(HELLO);
      }
      tunnels[connection - 1] = 0;
      for (let message = await peer.next(); message !== undefined; message = await peer.next()) {
        expect(message.type).toBe('Connect');
        tunnels[connection - 1] = (tunnels[connection - 1] ?? 0) + 1;
        await peer.send({ type: 'Done' }, data('hello'));
        if (isFirstToEnd) await peer.send({ type: 'End' });
        await peer.expect('End');
        if (!isFirstToEnd) await peer.send({ type: 'End' });
      }
    };
    return await ScriptedAgent.start(script, { hello: false });
  }

  async function use(client: AgentClient, isEarly: boolean): Promise<void> {
    const tunnel = await client.connectTo({ protocol: 'tcp', port: 80 }, { early: isEarly });
    tunnel.end();
    expect(await text(tunnel)).toBe('hello');
    if (!tunnel.closed) await once(tunnel, 'close');
  }

  it('go over one connection where the agent takes them', async () => {
    const tunnels: number[] = [];
    await using agent = await reusing(tunnels);
    const client = new AgentClient(agent.connect);
    for (let i = 0; i < 5; i += 1) await use(client, false);
    expect(tunnels).toEqual([5]);
  });

  it('have a second connection ready when they are early, and no more than that', async () => {
    const tunnels: number[] = [];
    await using agent = await reusing(tunnels);
    const client = new AgentClient(agent.connect);
    for (let i = 0; i < 20; i += 1) await use(client, true);
    await Promise.all([use(client, true), use(client, true), use(client, true), use(client, true)]);
    await delay(50);
    expect(tunnels.reduce((sum, each) => sum + each)).toBe(24);
    expect(agent.open).toBeLessThanOrEqual(2);
  });

  it('take another connection when the guest was the first to end: it might still reset', async () => {
    const tunnels: number[] = [];
    await using agent = await reusing(tunnels, true);
    const client = new AgentClient(agent.connect);
    for (let i = 0; i < 3; i += 1) {
      const tunnel = await client.connectTo({ protocol: 'tcp', port: 80 });
      expect(await text(tunnel)).toBe('hello');
      tunnel.end();
      await once(tunnel, 'close');
    }
    expect(tunnels).toEqual([1, 1, 1]);
    await agent.idle();
  });
});

describe('datagrams', () => {
  it('keep their bounds, also empty ones, and end', async () => {
    await using agent = await tunnelAgent(echo);
    const datagrams = await new AgentClient(agent.connect).connectTo({ protocol: 'udp', port: 53 });
    await datagrams.send(Buffer.from('abc'));
    await datagrams.send(new Uint8Array());
    await datagrams.send(new Uint8Array(65_507));
    await expect(datagrams.send(new Uint8Array(65_508))).rejects.toMatchObject({ kind: 'invalid' });
    const lengths: number[] = [];
    for await (const { length } of datagrams) if (lengths.push(length) === 3) break;
    expect(lengths).toEqual([3, 0, 65_507]);
    datagrams.close();
    await agent.idle();
  });

  it.each<[string, Message[], string]>([
    ['resets', [{ type: 'Reset', message: 'unreachable' }], 'reset'],
    ['hangs up', [], 'lost'],
    ['sends what has no place', [{ type: 'Done' }], 'malformed'],
  ])('fail when the guest %s', async (_, messages, kind) => {
    await using agent = await tunnelAgent((peer) => peer.send(...messages));
    const datagrams = await new AgentClient(agent.connect).connectTo({ protocol: 'udp', port: 53 });
    const reading = datagrams[Symbol.asyncIterator]().next();
    await expect(reading).rejects.toMatchObject({ kind });
    datagrams.close();
    await agent.idle();
  });
});
