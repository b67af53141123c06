import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Message } from '../message.ts';
import { type Peer, ScriptedAgent } from '../testing/scripted-agent.ts';
import { AgentClient } from './agent-client.ts';

const info = {
  name: 'etc',
  bytes: 0,
  mode: 0o40755,
  uid: 0,
  gid: 0,
  modifiedUnixMicros: 1n,
  linkTarget: null,
};
const data = (content: string | Uint8Array): Message => ({ type: 'Data', data: Buffer.from(content) });

describe('reading an archive', () => {
  const get = (peer: Peer, ...messages: Message[]): Promise<void> =>
    peer.expect('ArchiveGet').then(() => peer.send({ type: 'FileInfo', ...info }, ...messages));

  it('tells what it is of and gives it whole', async () => {
    await using agent = await ScriptedAgent.start(async (peer) => {
      await get(peer, data('ab'), data(''), data('c'), { type: 'End' });
      await peer.closed();
    });
    const got = await new AgentClient(agent.connect).archiveGet('/etc');
    expect(got.info).toEqual(info);
    expect((await buffer(got.archive)).toString()).toBe('abc');
    await agent.idle();
  });

  it.each<[string, Message[], string]>([
    ['fails in the middle', [data('ab'), { type: 'Failed', kind: 'internal', message: 'EIO' }], 'internal'],
    ['hangs up in the middle', [data('ab')], 'lost'],
    ['sends what has no place', [{ type: 'Done' }], 'malformed'],
  ])('is never complete when the guest %s', async (_, messages, kind) => {
    await using agent = await ScriptedAgent.start((peer) => get(peer, ...messages));
    const { archive } = await new AgentClient(agent.connect).archiveGet('/etc');
    await expect(buffer(archive)).rejects.toMatchObject({ name: 'AgentError', kind });
    await agent.idle();
  });

  it('is read no further than its reader has come, and ends with the signal', async () => {
    let sent = 0;
    await using agent = await ScriptedAgent.start(async (peer) => {
      await get(peer);
      for (; sent < 500 && !peer.socket.destroyed; sent++) await peer.send(data(new Uint8Array(65_536)));
    });
    const controller = new AbortController();
    const { archive } = await new AgentClient(agent.connect).archiveGet('/', { signal: controller.signal });
    await delay(50);
    expect(sent).toBeLessThan(30);
    const reading = buffer(archive);
    controller.abort();
    await expect(reading).rejects.toThrow(/abort/);
    await agent.idle();
  });
});

describe('writing an archive', () => {
  it('sends all of it and waits until it is unpacked', async () => {
    const received: Uint8Array[] = [];
    let isUnpacked = false;
    await using agent = await ScriptedAgent.start(async (peer) => {
      expect(await peer.expect('ArchivePut')).toMatchObject({ path: '/w', keepOwners: true, replaceFolders: false });
      for (;;) {
        const message = await peer.next();
        if (message?.type !== 'Data') break;
        expect(message.data.length).toBeLessThanOrEqual(65_536);
        received.push(message.data.slice());
      }
      await delay(30);
      isUnpacked = true;
      await peer.send({ type: 'Done' });
      await peer.closed();
    });
    const archive = Buffer.from(Array.from({ length: 500_000 }, (_, i) => i % 251));
    await new AgentClient(agent.connect).archivePut('/w', [archive.subarray(0, 7), archive.subarray(7)], {
      keepOwners: true,
    });
    expect(isUnpacked).toBe(true);
    expect(Buffer.concat(received).equals(archive)).toBe(true);
    await agent.idle();
  });

  it('stops, and closes its source, as soon as the guest refuses', async () => {
    await using agent = await ScriptedAgent.start(async (peer) => {
      await peer.expect('ArchivePut');
      await peer.expect('Data');
      await peer.send({ type: 'Failed', kind: 'exhausted', message: 'no space left' });
      await peer.closed();
    });
    let isClosed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          await delay(1);
          yield new Uint8Array(1000);
        }
      } finally {
        isClosed = true;
      }
    }
    const writing = new AgentClient(agent.connect).archivePut('/w', endless());
    await expect(writing).rejects.toMatchObject({ kind: 'exhausted', code: 'UNAVAILABLE', subject: '/w' });
    await delay(20);
    expect(isClosed).toBe(true);
    await agent.idle();
  });

  it('is cut off, not ended, when its source fails', async () => {
    const seen: string[] = [];
    await using agent = await ScriptedAgent.start(async (peer) => {
      for (let message = await peer.next(); message !== undefined; message = await peer.next()) seen.push(message.type);
    });
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('x');
      throw new Error('disk failed');
    }
    await expect(new AgentClient(agent.connect).archivePut('/w', broken())).rejects.toThrow('disk failed');
    await agent.idle();
    expect(seen).toEqual(['ArchivePut', 'Data']);
  });

  it.each<[string, (peer: Peer) => Promise<unknown>, string]>([
    ['before it has all of it', (peer) => peer.expect('Data').then(() => peer.send({ type: 'Done' })), 'malformed'],
    ['never, but hangs up', (peer) => peer.expect('Data'), 'lost'],
    ['with something else', (peer) => peer.expect('Data').then(() => peer.send(data('x'))), 'malformed'],
  ])('is never done when the guest says so %s', async (_, script, kind) => {
    await using agent = await ScriptedAgent.start(async (peer) => {
      await peer.expect('ArchivePut');
      await script(peer);
    });
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('x');
      await delay(50);
      yield Buffer.from('y');
      await delay(50);
    }
    const writing = new AgentClient(agent.connect).archivePut('/w', slow());
    await expect(writing).rejects.toMatchObject({ name: 'AgentError', kind });
    await agent.idle();
  });
});
