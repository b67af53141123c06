import { buffer } from 'node:stream/consumers';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Message, MessageOf } from '../message.ts';
import { type Peer, type Script, ScriptedAgent } from '../testing/scripted-agent.ts';
import { EXECUTE, START } from '../testing/specs.ts';
import { AgentClient } from './agent-client.ts';
import type { AgentProcess } from './agent-process.ts';

const started = (fields: Partial<MessageOf<'ProcessStarted'>> = {}): Message => ({
  type: 'ProcessStarted',
  process: 0,
  pid: 7,
  outputOffset: 0,
  stdinWindow: 65_536,
  ...fields,
});

const output = (offset: number, data: string | Uint8Array, stream: 'stdout' | 'stderr' = 'stdout'): Message => ({
  type: 'Output',
  stream,
  offset,
  unixMicros: 5,
  data: Buffer.from(data),
});

const exited = (outputEnd: number, fields: Partial<MessageOf<'ProcessExited'>> = {}): Message => ({
  type: 'ProcessExited',
  process: 0,
  code: 0,
  signal: null,
  oomKilled: false,
  outputEnd,
  droppedBytes: 0,
  ...fields,
});

/** Runs a test with a workload whose agent follows a script after it has begun it. */
async function withWorkload(
  script: (peer: Peer) => Promise<void>,
  test: (process: AgentProcess, agent: ScriptedAgent) => Promise<void>,
  { acknowledge = 'automatic', spec = START }: { acknowledge?: 'automatic' | 'explicit'; spec?: typeof START } = {},
): Promise<void> {
  await using agent = await ScriptedAgent.start(async (peer) => {
    await peer.expect('Start');
    await peer.send(started());
    await script(peer);
  });
  const process = await new AgentClient(agent.connect).start(spec, { acknowledge });
  await test(process, agent);
  process.close();
  await agent.idle();
}

async function textOf(process: AgentProcess): Promise<string> {
  let text = '';
  for await (const { stream, offset, data } of process.output) text += `${stream}@${offset}:${Buffer.from(data)} `;
  return text;
}

/** The offsets that the host acknowledges until it closes. */
async function acknowledgements(peer: Peer): Promise<number[]> {
  const offsets: number[] = [];
  for (let message = await peer.next(); message !== undefined; message = await peer.next()) {
    if (message.type === 'OutputTaken') offsets.push(message.offset);
  }
  return offsets;
}

describe('output', () => {
  it('comes in order with its offsets, is acknowledged, and ends with the exit', async () => {
    let taken: number[] = [];
    await withWorkload(
      async (peer) => {
        await peer.send(output(0, 'ab'), output(2, 'c', 'stderr'), output(3, ''), output(3, 'd'));
        await peer.send(exited(4, { code: 137, signal: 9, oomKilled: true }));
        taken = await acknowledgements(peer);
      },
      async (process, agent) => {
        expect(process).toMatchObject({ id: 0, pid: 7, outputOffset: 0 });
        expect(await textOf(process)).toBe('stdout@0:ab stderr@2:c stdout@3:d ');
        const exit = { code: 137, signal: 9, oomKilled: true, outputEnd: 4, droppedBytes: 0 };
        expect(await process.exited).toEqual(exit);
        await agent.idle();
        expect(taken.at(-1)).toBe(4);
      },
    );
  });

  it('is known to be safe only when the caller says so, also after the exit', async () => {
    let taken: number[] = [];
    await withWorkload(
      async (peer) => {
        await peer.send(output(0, 'abc'), exited(3));
        taken = await acknowledgements(peer);
      },
      async (process, agent) => {
        expect(await textOf(process)).toBe('stdout@0:abc ');
        await process.exited;
        await delay(20);
        expect(agent.open).toBe(1);
        expect(() => process.taken(4)).toThrow(/3 is all that came/);
        process.taken(2);
        await turn();
        process.taken(3);
        await agent.idle();
        expect(taken).toEqual([2, 3]);
      },
      { acknowledge: 'explicit' },
    );
  });

  it('is acknowledged once for many small pieces', async () => {
    let taken: number[] = [];
    await withWorkload(
      async (peer) => {
        await peer.send(...Array.from({ length: 5000 }, (_, i) => output(i, 'x')), exited(5000));
        taken = await acknowledgements(peer);
      },
      async (process, agent) => {
        await process.discardOutput();
        await agent.idle();
        expect(taken.at(-1)).toBe(5000);
        expect(taken.length).toBeLessThan(500);
        expect(taken).toEqual(taken.toSorted((a, b) => a - b));
      },
    );
  });

  it('is read no further than its reader has come', async () => {
    let sent = 0;
    await withWorkload(
      async (peer) => {
        const data = new Uint8Array(65_536);
        for (; sent < 1000 && !peer.socket.destroyed; sent++) await peer.send(output(sent * data.length, data));
      },
      async (process) => {
        for await (const _ of process.output) break;
        await delay(100);
        expect(sent).toBeLessThan(30);
      },
      { spec: { ...START, spoolBytes: 2 ** 31 } },
    );
  });

  it('goes on in another loop when one is left', async () => {
    await withWorkload(
      async (peer) => {
        await peer.send(output(0, 'a'), output(1, 'b'), exited(2));
        await peer.closed();
      },
      async (process) => {
        for await (const { data } of process.output) {
          expect(Buffer.from(data).toString()).toBe('a');
          break;
        }
        expect(await textOf(process)).toBe('stdout@1:b ');
      },
    );
  });

  it('may have a gap where the oldest is dropped, and nowhere else', async () => {
    const gap = async (peer: Peer): Promise<void> => {
      await peer.send(output(0, 'ab'), output(100, 'c'), exited(101, { droppedBytes: 98 }));
      await peer.closed();
    };
    const dropped = async (process: AgentProcess): Promise<void> => {
      expect(await textOf(process)).toBe('stdout@0:ab stdout@100:c ');
      expect(await process.exited).toMatchObject({ droppedBytes: 98 });
    };
    await withWorkload(gap, dropped, { spec: { ...START, whenFull: 'dropOldest' } });
    await withWorkload(gap, async (process) => {
      await expect(process.exited).rejects.toMatchObject({ kind: 'malformed', message: /offset 100 where 2/ });
    });
  });
});

describe('attaching', () => {
  it('begins where it is told, or later, and tells where', async () => {
    await using agent = await ScriptedAgent.start(async (peer) => {
      const { process, offset } = await peer.expect('Attach');
      await peer.send(started({ process, outputOffset: 10, stdinWindow: 0 }));
      await peer.send(output(10, 'rest'), exited(14, { process }));
      expect([null, 9]).toContain(offset);
      await peer.closed();
    });
    const client = new AgentClient(agent.connect);
    for (const offset of [undefined, 9]) {
      using process = await client.attach(4, { offset });
      expect(process).toMatchObject({ id: 4, outputOffset: 10 });
      expect(await textOf(process)).toBe('stdout@10:rest ');
      expect(await process.exited).toMatchObject({ code: 0, outputEnd: 14 });
    }
    await agent.idle();
  });

  it('goes on where the guest is full of what was received but not acknowledged before the connection was lost', async () => {
    await using agent = await ScriptedAgent.start(async (peer) => {
      await peer.expect('Attach');
      await peer.send(started({ outputOffset: 10 }));
      expect(await peer.expect('OutputTaken')).toEqual({ type: 'OutputTaken', offset: 10 });
      await peer.send(output(10, 'more'), exited(14));
      await peer.closed();
    });
    const process = await new AgentClient(agent.connect).attach(0, { offset: 10, acknowledge: 'explicit' });
    expect(await textOf(process)).toBe('stdout@10:more ');
    process.close();
    await agent.idle();
  });

  it('takes every byte once, however often the connection is lost', async () => {
    const data = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));
    await using agent = await ScriptedAgent.start(async (peer, connection) => {
      const { offset } = await peer.expect('Attach');
      let at = offset ?? 0;
      await peer.send(started({ outputOffset: at, stdinWindow: 0 }));
      const end = connection === 9 ? data.length : Math.min(data.length, at + 9_999);
      for (; at < end; at = Math.min(end, at + 777)) {
        await peer.send(output(at, data.subarray(at, Math.min(end, at + 777))));
      }
      if (connection < 9) return;
      await peer.send(exited(data.length));
      await peer.closed();
    });
    const client = new AgentClient(agent.connect);
    const pieces: Uint8Array[] = [];
    let offset = 0;
    for (let isOver = false; !isOver; ) {
      using process = await client.attach(0, { offset, acknowledge: 'explicit' });
      try {
        for await (const piece of process.output) {
          expect(piece.offset).toBe(offset);
          pieces.push(piece.data.slice());
          offset += piece.data.length;
          process.taken(offset);
        }
        isOver = true;
      } catch (error) {
        expect(error).toMatchObject({ kind: 'lost' });
        await expect(process.exited).rejects.toMatchObject({ kind: 'lost' });
      }
    }
    expect(agent.connections).toBe(10);
    expect(Buffer.concat(pieces).equals(data)).toBe(true);
  });

  it('is told when another connection takes over', async () => {
    await withWorkload(
      async (peer) => {
        await peer.send(output(0, 'a'), { type: 'Failed', kind: 'conflict', message: 'attached elsewhere' });
      },
      async (process) => {
        const error = { kind: 'conflict', code: 'CONFLICT', message: 'Start: attached elsewhere' };
        await expect(textOf(process)).rejects.toMatchObject(error);
        await expect(process.exited).rejects.toMatchObject(error);
      },
    );
  });
});

describe('standard input', () => {
  const stdinOf = (process: AgentProcess): NonNullable<AgentProcess['stdin']> => {
    if (process.stdin === null) throw new Error('no stdin');
    return process.stdin;
  };

  it('takes no more than the agent has room for, and is whole', async () => {
    const data = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => i % 251));
    const received: Uint8Array[] = [];
    let under = 0;
    await withWorkload(
      async (peer) => {
        for (;;) {
          const message = await peer.next();
          if (message?.type !== 'Stdin') break;
          received.push(message.data.slice());
          under += message.data.length;
          expect(under).toBeLessThanOrEqual(65_536);
          if (under < 40_000) continue;
          await turn();
          await peer.send({ type: 'StdinTaken', bytes: under });
          under = 0;
        }
        await peer.send(exited(0));
        await peer.closed();
      },
      async (process) => {
        stdinOf(process).end(data);
        expect(await process.exited).toMatchObject({ code: 0 });
        expect(Buffer.concat(received).equals(data)).toBe(true);
      },
    );
  });

  it('blocks its writer while the process does not read, and ends with the process', async () => {
    await withWorkload(
      async (peer) => {
        const { length } = await buffer(
          (async function* () {
            for (let got = 0; got < 65_536; ) {
              const { data } = await peer.expect('Stdin');
              got += data.length;
              yield data;
            }
          })(),
        );
        expect(length).toBe(65_536);
        await delay(50);
        await peer.send(exited(0));
        expect(await acknowledgements(peer)).toEqual([]);
      },
      async (process) => {
        const stdin = stdinOf(process);
        stdin.write(Buffer.alloc(200_000));
        await process.exited;
        expect(stdin.destroyed).toBe(true);
        expect(() => stdin.write('x')).not.toThrow();
      },
    );
  });

  it('waits for room that an earlier connection had taken', async () => {
    await using agent = await ScriptedAgent.start(async (peer) => {
      await peer.expect('Attach');
      await peer.send(started({ stdinWindow: 0 }));
      await delay(20);
      await peer.send({ type: 'StdinTaken', bytes: 65_536 });
      expect(Buffer.from((await peer.expect('Stdin')).data).toString()).toBe('now');
      await peer.send(exited(0));
      await peer.closed();
    });
    const process = await new AgentClient(agent.connect).attach(0);
    stdinOf(process).write('now');
    expect(await process.exited).toMatchObject({ code: 0 });
    await agent.idle();
    await using other = await ScriptedAgent.start(async (peer) => {
      await peer.expect('Attach');
      await peer.send(started(), exited(0));
      await peer.closed();
    });
    expect((await new AgentClient(other.connect).attach(0, { stdin: false })).stdin).toBeNull();
  });

  it('is cut when the agent takes more than was sent', async () => {
    await withWorkload(
      (peer) => peer.send({ type: 'StdinTaken', bytes: 2 ** 24 }),
      async (process) => {
        await expect(process.exited).rejects.toMatchObject({ kind: 'malformed', message: /took 16777216 bytes/ });
      },
    );
  });
});

describe('executions one after the other', () => {
  const hello: Message = { type: 'Hello', version: 1, features: ['reuse'], software: 'scripted' };

  it('go over one connection where the agent takes them, which the earlier ones cannot cut', async () => {
    const hold = Promise.withResolvers<void>();
    const script: Script = async (peer, connection) => {
      await peer.expect(connection === 0 ? 'Hello' : 'Execute');
      if (connection === 0) return await peer.send(hello);
      await peer.send(started({ process: 1, stdinWindow: 0 }), exited(0, { process: 1 }));
      await peer.expect('Execute');
      await peer.send(started({ process: 2, stdinWindow: 0 }));
      await hold.promise;
      await peer.send(exited(0, { process: 2, code: 4 }));
      await peer.closed();
    };
    await using agent = await ScriptedAgent.start(script, { hello: false });
    const client = new AgentClient(agent.connect);
    const first = await client.execute(EXECUTE);
    expect(await first.exited).toMatchObject({ code: 0 });
    const second = await client.execute(EXECUTE);
    first.close();
    hold.resolve();
    expect(await second.exited).toMatchObject({ code: 4 });
    expect(agent.connections).toBe(2);
  });

  it('take another connection when the one before is lost meanwhile', async () => {
    const script: Script = async (peer, connection) => {
      await peer.expect(connection === 0 ? 'Hello' : 'Execute');
      if (connection === 0) return await peer.send(hello);
      await peer.send(started({ process: connection, stdinWindow: 0 }), exited(0, { process: connection }));
    };
    await using agent = await ScriptedAgent.start(script, { hello: false });
    const client = new AgentClient(agent.connect);
    for (const connections of [2, 3]) {
      await (await client.execute(EXECUTE)).exited;
      expect(agent.connections).toBe(connections);
      await delay(50);
    }
    await agent.idle();
  });
});

describe('a process', () => {
  it('is signalled and resized on connections of their own', async () => {
    const seen: (Message | undefined)[] = [];
    await using agent = await ScriptedAgent.start(async (peer, connection) => {
      const message = await peer.next();
      if (connection > 0) seen.push(message);
      await peer.send(connection === 0 ? started({ process: 5, stdinWindow: 0 }) : { type: 'Done' });
      await peer.closed();
    });
    const process = await new AgentClient(agent.connect).execute(EXECUTE);
    await process.signal(15);
    await process.signal(9, 'all');
    await process.resize({ rows: 1, columns: 2 });
    expect(seen).toEqual([
      { type: 'SignalProcess', process: 5, signum: 15, target: 'process' },
      { type: 'SignalProcess', process: 5, signum: 9, target: 'all' },
      { type: 'Resize', process: 5, size: { rows: 1, columns: 2 } },
    ]);
    expect(process.stdin).toBeNull();
    process.close();
    await expect(process.exited).rejects.toMatchObject({ kind: 'lost', message: /closed on this side/ });
    await agent.idle();
  });

  it.each([
    ['notFound', 'NOT_FOUND'],
    ['notExecutable', 'START_FAILED'],
    ['unknownUser', 'INVALID_SPEC'],
    ['conflict', 'CONFLICT'],
    ['exhausted', 'UNAVAILABLE'],
  ] as const)('that cannot be started is told with its reason: %s', async (kind, code) => {
    await using agent = await ScriptedAgent.start(async (peer) => {
      await peer.expect('Start');
      await peer.send({ type: 'Failed', kind, message: 'why' });
      await peer.closed();
    });
    const starting = new AgentClient(agent.connect).start(START);
    await expect(starting).rejects.toMatchObject({ kind, code, message: 'Start: why', subject: '/bin/sh' });
    await agent.idle();
  });

  it.each<[string, Message, RegExp]>([
    ['has ended before it began', exited(0), /ProcessExited/],
    ['writes before it began', output(0, 'x'), /Output/],
    ['is another', started({ process: 1 }), /process 1/],
    ['has no pid', started({ pid: 0 }), /pid 0/],
    ['has written already', started({ outputOffset: 1 }), /output from 1/],
  ])('never takes one for started that %s', async (_, message, text) => {
    await using agent = await ScriptedAgent.start(async (peer) => {
      await peer.expect('Start');
      await peer.send(message);
      await peer.closed();
    });
    const starting = new AgentClient(agent.connect).start(START);
    await expect(starting).rejects.toMatchObject({ kind: 'malformed', message: expect.stringMatching(text) });
    await agent.idle();
  });

  it.each<[string, (Message | Uint8Array)[], string]>([
    ['hangs up', [], 'lost'],
    ['hangs up after output', [output(0, 'x')], 'lost'],
    ['breaks off in a frame', [Uint8Array.of(50, 0, 0, 0, 44)], 'lost'],
    ['starts it again', [started()], 'malformed'],
    ['sends what has no place', [{ type: 'Done' }], 'malformed'],
    ['claims a giant frame', [Uint8Array.of(0, 0, 0, 2, 44)], 'malformed'],
    ['repeats output', [output(0, 'ab'), output(1, 'b')], 'malformed'],
    ['skips output', [output(1, 'x')], 'malformed'],
    ['sends output beyond its window', [output(0, new Uint8Array(2 ** 20 + 524_290))], 'malformed'],
    ['loses output at the end', [output(0, 'ab'), exited(3)], 'malformed'],
    ['invents an exit code', [exited(0, { code: 300 })], 'malformed'],
    ['invents a negative exit code', [exited(0, { code: -1 })], 'malformed'],
    ['tells a signal that does not fit its code', [exited(0, { code: 0, signal: 9 })], 'malformed'],
    ['tells the exit of another', [exited(0, { process: 1 })], 'malformed'],
  ])('is never a success when the agent %s', async (_, messages, kind) => {
    await withWorkload(
      async (peer) => {
        await peer.send(...messages);
        await delay(10);
      },
      async (process) => {
        await expect(process.exited).rejects.toMatchObject({ name: 'AgentError', kind });
        await expect(textOf(process)).rejects.toMatchObject({ kind });
      },
    );
  });

  it('may have any exit that there is', async () => {
    for (const [code, signal] of [
      [255, null],
      [128 + 64, 64],
      [137, null],
    ] as const) {
      const script: Script = async (peer) => {
        await peer.expect('Start');
        await peer.send(started(), exited(0, { code, signal }));
        await peer.closed();
      };
      await using agent = await ScriptedAgent.start(script);
      const process = await new AgentClient(agent.connect).start(START);
      expect(await process.exited).toMatchObject({ code, signal });
    }
  });
});
