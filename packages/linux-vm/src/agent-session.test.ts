import { Duplex, duplexPair } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { OutputChunk } from '@zlayer/runtime-core';
import { encodeFrame, FrameDecoder, type Message } from '@zlayer/vzagent-proto';
import { describe, expect, it } from 'vitest';
import { AgentSession, signalWorkload } from './agent-session.ts';

const RUN = { type: 'Run', argv: ['/bin/true'], env: [], cwd: null, uid: 0, gid: 0 } as const;
const STARTED: Message = { type: 'Started', pid: 7 };

const output = (type: 'Stdout' | 'Stderr', text: string): Message => ({ type, data: Buffer.from(text) });

/** A session whose guest says these things, whatever it is told, and then hangs up. */
function sessionWith(...said: (Message | Uint8Array)[]): AgentSession {
  const [host, guest] = duplexPair();
  guest.resume();
  for (const message of said) guest.write(message instanceof Uint8Array ? message : encodeFrame(message));
  guest.end();
  return new AgentSession(host);
}

async function drained(session: AgentSession): Promise<{ code: number; chunks: string[] }> {
  const chunks: string[] = [];
  const code = await session.drain(async ({ stream, data }: OutputChunk) => {
    chunks.push(`${stream}:${Buffer.from(data)}`);
  });
  return { code, chunks };
}

describe('AgentSession', () => {
  it('starts a workload, hands on its output in order, and ends with its exit code', async () => {
    const said = [
      output('Stdout', 'a'),
      output('Stderr', 'b'),
      output('Stdout', 'c'),
      { type: 'Exited', code: 3 } as const,
    ];
    const session = sessionWith(STARTED, ...said);
    expect(await session.run(RUN)).toBe(7);
    expect(await drained(session)).toEqual({ code: 3, chunks: ['stdout:a', 'stderr:b', 'stdout:c'] });
  });

  it("gives the agent's own reason when it refuses to start", async () => {
    const session = sessionWith({ type: 'Error', message: 'exec "x": not found' });
    await expect(session.run(RUN)).rejects.toMatchObject({ code: 'START_FAILED', message: 'exec "x": not found' });
  });

  it('prints no control characters that a guest sends, and no endless text', async () => {
    const session = sessionWith({ type: 'Error', message: `\x1b[2J\x07bad\x9b31m ${'x'.repeat(100_000)}` });
    const error = await session.run(RUN).catch((caught: unknown) => caught);
    expect((error as Error).message).toMatch(/^bad31m x+$/);
    expect((error as Error).message.length).toBeLessThan(4096);
  });

  it.each<[string, (Message | Uint8Array)[], RegExp]>([
    ['hangs up', [], /closed the connection/],
    ['sends output before the start', [output('Stdout', 'x')], /answered Run with Stdout/],
    ['sends what only a host may say', [encodeFrame({ ...RUN })], /Run/],
    ['sends garbage', [Buffer.from('HTTP/1.1 400 Bad Request\r\n')], /frame|length/i],
    ['claims a giant frame', [Buffer.from([0xff, 0xff, 0xff, 0x7f, 4])], /frame|16777216|length/i],
    ['breaks off in a frame', [encodeFrame(STARTED).subarray(0, 5)], /within a frame/],
  ])('fails a start when the guest %s', async (_, said, message) => {
    await expect(sessionWith(...said).run(RUN)).rejects.toThrow(message);
  });

  it.each<[string, Message[]]>([
    ['hangs up', []],
    ['starts once more', [STARTED]],
    ['reports an impossible exit code', [{ type: 'Exited', code: 300 }]],
    ['reports a negative exit code', [{ type: 'Exited', code: -1 }]],
  ])('never takes it for a success when the guest %s', async (_, said) => {
    const session = sessionWith(STARTED, ...said);
    await session.run(RUN);
    await expect(drained(session)).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('goes on when an error answers something else than the start', async () => {
    const session = sessionWith(STARTED, { type: 'Error', message: 'no such signal' }, { type: 'Exited', code: 0 });
    await session.run(RUN);
    expect((await drained(session)).code).toBe(0);
  });

  it('reads no further than the receiver of the output has come', async () => {
    let delivered = 0;
    const frames = [STARTED, ...Array.from({ length: 1000 }, () => output('Stdout', 'x'.repeat(65_536)))].map(
      encodeFrame,
    );
    const guest = new Duplex({
      read() {
        delivered += 1;
        this.push(frames.shift() ?? null);
      },
      write: (_chunk, _encoding, done) => done(),
    });
    const session = new AgentSession(guest);
    await session.run(RUN);
    const never = session.drain(() => new Promise(() => {}));
    never.catch(() => {});
    await delay(50);
    expect(delivered).toBeLessThan(20);
    session[Symbol.dispose]();
  });

  it('writes input while it is open, and says so when nobody is there to take it', async () => {
    const [host, guest] = duplexPair();
    const session = new AgentSession(host);
    const messages: Message[] = [];
    const decoder = new FrameDecoder();
    guest.on('data', (chunk) => messages.push(...decoder.push(chunk)));
    const running = session.run(RUN, { openStdin: true });
    guest.write(encodeFrame(STARTED));
    await running;
    await session.input.write(Buffer.alloc(100_000, 'x'));
    await session.input.end();
    expect(messages.map(({ type }) => type)).toEqual(['Run', 'Stdin', 'Stdin', 'StdinEof']);
    expect(session.input.isOpen()).toBe(false);
    session[Symbol.dispose]();
    await expect(session.input.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('delivers a signal on a connection of its own', async () => {
    const [host, guest] = duplexPair();
    await signalWorkload({ connect: async () => host }, 15);
    const [message] = new FrameDecoder().push(guest.read());
    expect(message).toEqual({ type: 'Signal', signum: 15 });
    const refused = signalWorkload({ connect: () => Promise.reject(new Error('gone')) }, 15);
    await expect(refused).rejects.toThrow('gone');
  });
});
