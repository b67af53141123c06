import { setTimeout as delay } from 'node:timers/promises';
import { isZlayerError } from '@zlayer/runtime-core';
import { describe, expect, it } from 'vitest';
import type { Message } from '../message.ts';
import { HELLO, type Script, ScriptedAgent } from '../testing/scripted-agent.ts';
import { AgentClient } from './agent-client.ts';
import type { AgentErrorKind } from './agent-error.ts';

/** Answers every request with these messages, and waits until the host has closed. */
const answering =
  (...messages: (Message | Uint8Array)[]): Script =>
  async (peer) => {
    await peer.next();
    await peer.send(...messages);
    await peer.closed();
  };

const silent: Script = (peer) => peer.closed();

const exit = { code: 143, signal: 15, oomKilled: false, outputEnd: 9, droppedBytes: 0 };
const fileInfo = { name: 'f', bytes: 1, mode: 0o100644, uid: 0, gid: 0, modifiedUnixMicros: 5n, linkTarget: null };

describe('hello', () => {
  it('tells what the agent can do, is asked once, and shows nothing that could fool a terminal', async () => {
    const features = ['a\x1b[2J'];
    const script: Script = answering({ type: 'Hello', version: 7, features, software: 'bad\x07'.padEnd(9000, 'x') });
    await using agent = await ScriptedAgent.start(script, { hello: false });
    const client = new AgentClient(agent.connect);
    const info = await client.hello();
    expect(info).toMatchObject({ version: 7, features: ['a'], isLegacy: false });
    expect(info.software).toMatch(/^badx+…$/);
    expect(info.software.length).toBeLessThan(2100);
    expect(await client.hello()).toBe(info);
    expect(agent.connections).toBe(1);
    await agent.idle();
  });

  it.each<[string, Script]>([
    ['hangs up', async (peer) => void (await peer.expect('Hello'))],
    ['answers with an error', answering({ type: 'Error', message: 'unknown tag 32' })],
  ])('takes an agent that %s for one without extensions, and says which feature it lacks', async (_, script) => {
    await using agent = await ScriptedAgent.start(script, { hello: false });
    const client = new AgentClient(agent.connect);
    expect(await client.hello()).toEqual({ version: 0, features: [], software: '', isLegacy: true });
    const unsupported = { code: 'UNSUPPORTED', kind: 'unsupported', subject: 'statistics' };
    await expect(client.statistics()).rejects.toMatchObject(unsupported);
    expect(agent.connections).toBe(1);
  });

  it('does not wait for an answer of an agent of an earlier release that does not know the question', async () => {
    await using agent = await ScriptedAgent.start(answering({ ...HELLO, features: ['watch'] } as Message), {
      hello: false,
    });
    const detaching = new AgentClient(agent.connect).detach(3);
    await expect(detaching).rejects.toMatchObject({ kind: 'unsupported', remedy: expect.stringContaining('Stop') });
    expect(agent.connections).toBe(1);
  });

  it.each<[string, Script, AgentErrorKind]>([
    ['says nothing', silent, 'timeout'],
    ['breaks off in a frame', async (peer) => peer.send(Uint8Array.of(9, 0)), 'lost'],
    ['is no agent', async (peer) => peer.send(Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')), 'malformed'],
    ['has version 0', answering({ ...HELLO, version: 0 } as Message), 'malformed'],
    ['answers another question', answering({ type: 'Done' }), 'malformed'],
  ])('does not take one that %s for one without extensions', async (_, script, kind) => {
    await using agent = await ScriptedAgent.start(script, { hello: false });
    const client = new AgentClient(agent.connect, { timeoutMs: 100 });
    await expect(client.hello()).rejects.toMatchObject({ name: 'AgentError', kind });
    await agent.idle();
  });
});

describe('a request', () => {
  const client = (agent: ScriptedAgent): AgentClient => new AgentClient(agent.connect, { timeoutMs: 500 });

  it.each<[string, (client: AgentClient) => Promise<unknown>, Message, Message, unknown]>([
    ['wait', (it) => it.wait(3), { type: 'Wait', process: 3 }, { type: 'ProcessExited', process: 3, ...exit }, exit],
    ['detach', (it) => it.detach(3), { type: 'Detach', process: 3 }, { type: 'Done' }, undefined],
    [
      'signal',
      (it) => it.signal(3, 9, 'group'),
      { type: 'SignalProcess', process: 3, signum: 9, target: 'group' },
      { type: 'Done' },
      undefined,
    ],
    [
      'resize',
      (it) => it.resize(0, { rows: 24, columns: 80 }),
      { type: 'Resize', process: 0, size: { rows: 24, columns: 80 } },
      { type: 'Done' },
      undefined,
    ],
    ['listProcesses', (it) => it.listProcesses(), { type: 'ListProcesses' }, { type: 'Processes', processes: [] }, []],
    ['freeze', (it) => it.freeze(), { type: 'Freeze' }, { type: 'Done' }, undefined],
    ['thaw', (it) => it.thaw(), { type: 'Thaw' }, { type: 'Done' }, undefined],
    ['shutdown', (it) => it.shutdown(10), { type: 'Shutdown', graceMillis: 10 }, { type: 'Done' }, undefined],
    ['setClock', (it) => it.setClock(1), { type: 'SetClock', unixMicros: 1 }, { type: 'Done' }, undefined],
    [
      'network',
      (it) => it.network(),
      { type: 'GetNetwork' },
      { type: 'Network', interfaces: [], gateway: null, dnsServers: [] },
      { interfaces: [], gateway: null, dnsServers: [] },
    ],
    [
      'archiveHead',
      (it) => it.archiveHead('/f'),
      { type: 'ArchiveHead', path: '/f' },
      { type: 'FileInfo', ...fileInfo },
      fileInfo,
    ],
  ])('asks the agent and gives its answer, leaving nothing open: %s', async (_, call, request, answer, result) => {
    const asked: (Message | undefined)[] = [];
    await using agent = await ScriptedAgent.start(async (peer) => {
      asked.push(await peer.next());
      await peer.send(answer);
      await peer.closed();
    });
    expect(await call(client(agent))).toEqual(result);
    expect(asked).toEqual([request]);
    await agent.idle();
  });

  it('fails with the reason that the guest gives, its kind, and a code that follows from it', async () => {
    const message = `no such file\x1b]0;evil\x07 ${'x'.repeat(100_000)}`;
    await using agent = await ScriptedAgent.start(answering({ type: 'Failed', kind: 'notFound', message }));
    const error = await client(agent)
      .archiveHead('/nonesuch')
      .catch((caught: unknown) => caught);
    expect(isZlayerError(error)).toBe(true);
    expect(error).toMatchObject({ name: 'AgentError', kind: 'notFound', code: 'NOT_FOUND', subject: '/nonesuch' });
    const text = (error as Error).message;
    expect(text).toMatch(/^ArchiveHead: no such file\]0;evil x+…$/);
    expect(text.length).toBeLessThan(2200);
  });

  it.each<[string, Script, AgentErrorKind, RegExp]>([
    ['hangs up', async (peer) => void (await peer.next()), 'lost', /lost/],
    ['vanishes', async (peer) => void peer.socket.destroy(), 'lost', /lost/],
    ['says nothing', silent, 'timeout', /500 ms/],
    ['gives another answer', answering({ type: 'Done' }), 'malformed', /Done/],
    ['claims a giant frame', answering(Buffer.from([0xff, 0xff, 0xff, 0xff, 61])), 'malformed', /4294967295/],
    ['claims a frame that never comes', answering(Buffer.from([0, 0, 0, 1, 61, 61])), 'timeout', /500 ms/],
    ['sends an empty frame', answering(Buffer.alloc(4)), 'malformed', /empty/],
    ['sends an unknown tag', answering(Buffer.from([2, 0, 0, 0, 200, 200, 1])), 'malformed', /tag 200/],
    ['speaks as a host', answering({ type: 'Freeze' }), 'malformed', /Freeze/],
    ['breaks off', async (peer) => peer.send(Buffer.from([9, 0, 0, 0, 61])), 'lost', /within a frame/],
  ])('fails and is cut when the agent %s', async (_, script, kind, message) => {
    await using agent = await ScriptedAgent.start(script);
    const call = client(agent).statistics();
    await expect(call).rejects.toMatchObject({ name: 'AgentError', kind, message: expect.stringMatching(message) });
    await agent.idle();
  });

  it('never takes an impossible exit for one', async () => {
    for (const wrong of [{ code: -1 }, { code: 256 }, { signal: 9 }, { process: 4 }]) {
      await using agent = await ScriptedAgent.start(
        answering({ type: 'ProcessExited', process: 3, ...exit, ...wrong }),
      );
      await expect(client(agent).wait(3)).rejects.toMatchObject({ kind: 'malformed' });
    }
  });

  it('ends with the reason of the signal, and closes its connection', async () => {
    await using agent = await ScriptedAgent.start(silent);
    const it = client(agent);
    await it.hello();
    const controller = new AbortController();
    const waiting = it.wait(0, { signal: controller.signal });
    await delay(20);
    controller.abort(new Error('no longer wanted'));
    await expect(waiting).rejects.toThrow('no longer wanted');
    await expect(it.freeze({ signal: controller.signal })).rejects.toThrow('no longer wanted');
    await agent.idle();
  });

  it('closes a stream that comes after its time', async () => {
    await using agent = await ScriptedAgent.start(silent, { hello: false });
    const late = async (): Promise<Awaited<ReturnType<typeof agent.connect>>> => {
      await delay(100);
      return agent.connect();
    };
    await expect(new AgentClient(late).hello({ timeoutMs: 20 })).rejects.toMatchObject({ kind: 'timeout' });
    await delay(150);
    await agent.idle();
  });

  it('tells a failure to connect, and asks again the next time', async () => {
    await using agent = await ScriptedAgent.start(silent);
    let isThere = false;
    const client = new AgentClient(async () => {
      if (!isThere) throw new Error('no guest');
      return agent.connect();
    });
    await expect(client.hello()).rejects.toMatchObject({ kind: 'lost', code: 'UNAVAILABLE', message: /no guest/ });
    isThere = true;
    expect(await client.hello()).toMatchObject({ version: 1 });
  });

  it('refuses what the protocol cannot say before anything is sent', async () => {
    await using agent = await ScriptedAgent.start(silent);
    const wrong = client(agent).shutdown(-1);
    await expect(wrong).rejects.toMatchObject({ kind: 'invalid', code: 'INVALID_SPEC', message: /graceMillis/ });
  });

  it('is not held up by another: hundreds at once', async () => {
    await using agent = await ScriptedAgent.start(answering({ type: 'Done' }));
    const it = client(agent);
    await Promise.all(Array.from({ length: 300 }, () => it.thaw({ timeoutMs: 10_000 })));
    expect(agent.connections).toBe(300);
    await agent.idle();
  });
});

describe('watch', () => {
  const network: Message = { type: 'Network', interfaces: [], gateway: null, dnsServers: [] };
  const killed: Message = { type: 'OomKilled', unixMicros: 1, kills: 2 };

  it('tells what happens until the loop is left', async () => {
    await using agent = await ScriptedAgent.start(async (peer) => {
      const { pressure } = await peer.expect('Watch');
      await peer.send({ type: 'Done' }, network, killed, {
        type: 'MemoryPressure',
        unixMicros: pressure?.stallMicros ?? 0,
        memoryBytes: 0,
      });
      await peer.closed();
    });
    const seen: string[] = [];
    const pressure = { stallMicros: 5, windowMicros: 6 };
    for await (const event of await new AgentClient(agent.connect).watch({ pressure })) {
      seen.push(event.type);
      if (event.type !== 'MemoryPressure') continue;
      expect(event.unixMicros).toBe(5);
      break;
    }
    expect(seen).toEqual(['Network', 'OomKilled', 'MemoryPressure']);
    await agent.idle();
  });

  it('rejects when the guest is lost, talks out of turn or refuses, and with the signal', async () => {
    const watch = async (script: Script, signal?: AbortSignal): Promise<unknown[]> => {
      await using agent = await ScriptedAgent.start(script);
      const events: unknown[] = [];
      for await (const event of await new AgentClient(agent.connect).watch({ signal })) events.push(event);
      return events;
    };
    await expect(watch(async (peer) => peer.send({ type: 'Done' }, killed))).rejects.toMatchObject({ kind: 'lost' });
    const odd = watch(answering({ type: 'Done' }, { type: 'Started', pid: 1 }));
    await expect(odd).rejects.toMatchObject({ kind: 'malformed' });
    const refused = watch(answering({ type: 'Failed', kind: 'unsupported', message: 'no PSI' }));
    await expect(refused).rejects.toMatchObject({ kind: 'unsupported', message: 'Watch: no PSI' });
    const quiet = watch(answering({ type: 'Done' }), AbortSignal.timeout(50));
    await expect(quiet).rejects.toThrow(/timeout/);
  });
});
