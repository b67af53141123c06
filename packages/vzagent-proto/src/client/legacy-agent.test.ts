import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Message } from '../message.ts';
import { type Peer, type Script, ScriptedAgent } from '../testing/scripted-agent.ts';
import { EXECUTE, START } from '../testing/specs.ts';
import { AgentClient, type StartSpec } from './agent-client.ts';
import type { AgentProcess } from './agent-process.ts';

/** An agent that knows tags 1 to 14 alone, and a client that has found out. */
async function legacyAgent(script: Script): Promise<[agent: ScriptedAgent, client: AgentClient]> {
  const agent = await ScriptedAgent.start(
    async (peer, connection) => {
      if (connection === 0) await peer.expect('Hello');
      else await script(peer, connection);
    },
    { hello: false },
  );
  const client = new AgentClient(agent.connect, { timeoutMs: 500 });
  expect(await client.hello()).toMatchObject({ isLegacy: true });
  return [agent, client];
}

async function outputOf(process: AgentProcess): Promise<string[]> {
  const pieces: string[] = [];
  for await (const { stream, offset, unixMicros, data } of process.output) {
    expect(unixMicros).toBeNull();
    pieces.push(`${stream}@${offset}:${Buffer.from(data)}`);
  }
  return pieces;
}

const text = (type: 'Stdout' | 'Stderr', content: string): Message => ({ type, data: Buffer.from(content) });

describe('a workload under an agent without extensions', () => {
  const serve = async (peer: Peer, ...messages: Message[]): Promise<void> => {
    await peer.expect('Run');
    await peer.send({ type: 'Started', pid: 9 }, ...messages);
    await peer.closed();
  };

  it('is started as far as `Run` can say it, with input, output and exit', async () => {
    const seen: (Message | undefined)[] = [];
    const [agent, client] = await legacyAgent(async (peer) => {
      seen.push(await peer.next());
      await peer.send({ type: 'Started', pid: 9 });
      seen.push(await peer.next(), await peer.next());
      await peer.send(text('Stdout', 'ab'), { type: 'Error', message: 'no such signal' }, text('Stderr', 'c'));
      await peer.send({ type: 'Exited', code: 137 });
      await peer.closed();
    });
    await using _ = agent;
    const process = await client.start({ ...START, user: '1000:100' });
    process.stdin?.end('input');
    expect(await outputOf(process)).toEqual(['stdout@0:ab', 'stderr@2:c']);
    const exit = { code: 137, signal: null, oomKilled: null, outputEnd: 3, droppedBytes: 0 };
    expect(await process.exited).toEqual(exit);
    expect(process).toMatchObject({ id: 0, pid: 9 });
    expect(seen).toEqual([
      { type: 'Run', argv: START.argv, env: START.env, cwd: null, uid: 1000, gid: 100 },
      { type: 'Stdin', data: Uint8Array.from(Buffer.from('input')) },
      { type: 'StdinEof' },
    ]);
    await agent.idle();
  });

  it('has its mounts first, and the end of its input at once when there is none', async () => {
    const seen: (string | undefined)[] = [];
    const [agent, client] = await legacyAgent(async (peer) => {
      for (let i = 0; i < 3; i++) seen.push((await peer.next())?.type);
      await peer.send({ type: 'Started', pid: 9 }, { type: 'Exited', code: 0 });
      await peer.closed();
    });
    await using _ = agent;
    const run = { argv: ['x'], env: [], cwd: null, uid: 0, gid: 0 };
    const mounts = [{ tag: 'zlmnt0', target: '/data', readonly: true }];
    const process = await client.legacy.run(run, { mounts });
    expect(process.stdin).toBeNull();
    expect(await process.exited).toMatchObject({ code: 0 });
    expect(seen).toEqual(['Mount', 'Run', 'StdinEof']);
    await agent.idle();
  });

  it.each<[string, Partial<StartSpec>, string]>([
    ['a user by name', { user: 'node' }, 'users by name'],
    ['a group by name', { user: '0:adm' }, 'users by name'],
    ['supplementary groups', { groups: ['adm'] }, 'supplementary groups'],
    ['a terminal', { tty: { rows: 1, columns: 1 } }, 'terminals'],
    ['resource limits', { rlimits: [{ resource: 'nofile', soft: 1, hard: null }] }, 'resource limits'],
    ['limits', { limits: { ...START.limits, pids: 5 } }, 'limits'],
    ['a host name', { names: { ...START.names, hostname: 'h' } }, 'host names'],
    ['a name server', { names: { ...START.names, dnsServers: ['1.1.1.1'] } }, 'name service settings'],
    ['a read-only root', { root: { ...START.root, readonly: true } }, 'roots but a writable share'],
    ['an image as root', { root: { ...START.root, lower: 'erofs' } }, 'roots but a writable share'],
  ])('is not started without what it asks for: %s', async (_, fields, feature) => {
    const [agent, client] = await legacyAgent(async (peer) => {
      throw new Error(`the host sent ${(await peer.next())?.type}`);
    });
    await using __ = agent;
    const starting = client.start({ ...START, ...fields });
    await expect(starting).rejects.toMatchObject({ kind: 'unsupported', code: 'UNSUPPORTED', subject: feature });
  });

  it('is signalled on another connection, and not resized', async () => {
    const signals: (Message | undefined)[] = [];
    const [agent, client] = await legacyAgent(async (peer, connection) => {
      if (connection === 1) return serve(peer);
      signals.push(await peer.next());
    });
    await using _ = agent;
    const process = await client.start(START);
    await process.signal(15);
    await client.signal(0, 9);
    await expect(process.signal(15, 'group')).rejects.toMatchObject({ subject: 'signals for a group' });
    await expect(process.resize({ rows: 1, columns: 1 })).rejects.toMatchObject({ subject: 'terminals' });
    await delay(30);
    expect(signals).toEqual([
      { type: 'Signal', signum: 15 },
      { type: 'Signal', signum: 9 },
    ]);
    process.close();
    await agent.idle();
  });

  it.each<[string, Message[], string]>([
    ['hangs up', [], 'lost'],
    ['starts it again', [{ type: 'Started', pid: 1 }], 'malformed'],
    ['invents an exit code', [{ type: 'Exited', code: 256 }], 'malformed'],
    ['speaks extensions', [{ type: 'Done' }], 'malformed'],
  ])('is never a success when the agent %s', async (_, messages, kind) => {
    const [agent, client] = await legacyAgent(async (peer) => {
      await peer.expect('Run');
      await peer.send({ type: 'Started', pid: 9 }, ...messages);
    });
    await using __ = agent;
    const process = await client.start(START);
    await expect(process.exited).rejects.toMatchObject({ kind });
  });

  it('that cannot be started is told with the agent’s reason', async () => {
    const [agent, client] = await legacyAgent(async (peer) => {
      await peer.expect('Run');
      await peer.send({ type: 'Error', message: 'no such program\x1b[31m' });
      await peer.closed();
    });
    await using _ = agent;
    const error = { kind: 'reported', code: 'START_FAILED', message: 'Run: no such program' };
    await expect(client.start(START)).rejects.toMatchObject(error);
    await agent.idle();
  });
});

describe('an exec under an agent without extensions', () => {
  it.each([true, false])('gives output and exit, whether the agent says that it started: %s', async (says) => {
    const seen: (Message | undefined)[] = [];
    const [agent, client] = await legacyAgent(async (peer) => {
      seen.push(await peer.next());
      if (says) await peer.send({ type: 'Started', pid: 9 });
      await peer.send(text('Stdout', 'x'), { type: 'Exited', code: 3 });
      await peer.closed();
    });
    await using _ = agent;
    const process = await client.execute({ ...EXECUTE, user: 'node' });
    expect(await outputOf(process)).toEqual(['stdout@0:x']);
    expect(await process.exited).toMatchObject({ code: 3 });
    const { argv, env, cwd } = EXECUTE;
    expect(seen).toEqual([{ type: 'Exec', argv, env, cwd, uid: null, gid: null, user: 'node' }]);
    await agent.idle();
  });

  it('fails with the agent’s reason, and cannot have what `Exec` cannot say', async () => {
    const [agent, client] = await legacyAgent(async (peer) => {
      await peer.expect('Exec');
      await peer.send({ type: 'Error', message: 'nothing to exec into' });
      await peer.closed();
    });
    await using _ = agent;
    const process = await client.execute(EXECUTE);
    await expect(process.exited).rejects.toMatchObject({ kind: 'reported', message: 'Exec: nothing to exec into' });
    await expect(process.signal(9)).rejects.toMatchObject({ subject: 'signals for anything but the workload' });
    await expect(client.execute({ ...EXECUTE, stdin: true })).rejects.toMatchObject({ kind: 'unsupported' });
    await expect(client.execute({ ...EXECUTE, whenLost: 'keep' })).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

describe('the rest of an agent without extensions', () => {
  it('is told what has no answer, and asked nothing that it does not know', async () => {
    const seen: (Message | undefined)[] = [];
    const [agent, client] = await legacyAgent(async (peer) => {
      seen.push(await peer.next());
    });
    await using _ = agent;
    await client.setClock(1_999_999);
    await client.legacy.mount({ tag: 't', target: '/t', readonly: false });
    const overlay = {
      overlayIp: '',
      prefixLen: 0,
      privateKey: '',
      listenPort: 0,
      peers: [],
      dnsServer: null,
      dnsDomain: null,
    };
    await client.configureOverlay(overlay);
    await agent.idle();
    expect(seen).toEqual([
      { type: 'SetTime', unixSecs: 1n },
      { type: 'Mount', tag: 't', target: '/t', readonly: false },
      { type: 'OverlayConfig', ...overlay },
    ]);
    for (const call of [
      client.attach(0),
      client.wait(0),
      client.signal(1, 9),
      client.resize(0, { rows: 1, columns: 1 }),
      client.listProcesses(),
      client.freeze(),
      client.thaw(),
      client.shutdown(1),
      client.detach(1),
      client.network(),
      client.watch(),
      client.connectTo({ protocol: 'udp', port: 53 }),
      client.connectTo({ protocol: 'unix', address: '/s' }),
      client.connectTo({ protocol: 'tcp', address: '10.0.0.1', port: 80 }),
      client.archiveGet('/'),
      client.archivePut('/', []),
      client.archiveHead('/'),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'UNSUPPORTED', kind: 'unsupported' });
    }
    expect(agent.connections).toBe(4);
  });

  it('tunnels TCP raw', async () => {
    const [agent, client] = await legacyAgent(async (peer) => {
      expect(await peer.expect('Forward')).toEqual({ type: 'Forward', port: 80 });
      await peer.send(Buffer.from('220 raw'));
      await peer.closed();
    });
    await using _ = agent;
    const stream = await client.connectTo({ protocol: 'tcp', port: 80 });
    const [chunk] = await once(stream, 'data');
    expect(String(chunk)).toBe('220 raw');
    stream.destroy();
    await agent.idle();
  });
});
