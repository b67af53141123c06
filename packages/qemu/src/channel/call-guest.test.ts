import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Door, DoorProgram } from '../../test/agent-door.ts';
import { callGuest } from './call-guest.ts';
import { CALL_BYTES, makeCall, NONCE_BYTES } from './proof.ts';
import { Turns } from './turns.ts';

const AGENT = 1024;
const HOST = '127.0.0.1';

/** All that a server says until it hangs up. */
async function everything(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('error', () => {});
  socket.on('data', (chunk) => chunks.push(chunk));
  // Not `once` of events, to which a reset is an error.
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(chunks);
}

async function listening(onConnection: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    onConnection(socket);
  });
  await once(server.listen(0, HOST), 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

describe('a call to the agent over TCP', () => {
  let program: DoorProgram;
  let door: Door;
  const token = randomBytes(32);
  const at = (port: number, secret: Uint8Array = token) => ({ host: HOST, port, token: secret, turns: new Turns(2) });

  beforeAll(async () => {
    program = await DoorProgram.build();
    door = await program.serve(token);
  });
  afterAll(async () => {
    await door?.[Symbol.asyncDispose]();
    await program?.[Symbol.asyncDispose]();
  });

  const echo = async (socket: Socket, text: string): Promise<string> => {
    socket.write(text);
    const [answer] = await once(socket, 'data');
    socket.destroy();
    return String(answer);
  };
  const openedBy = async (work: () => Promise<unknown>): Promise<number> => {
    const before = door.opened;
    await work();
    // Whatever got through has been told before this one.
    (await callGuest(at(door.port), AGENT)).destroy();
    await expect.poll(() => door.opened).toBeGreaterThan(before);
    return door.opened - before - 1;
  };

  it('is proved with the MAC that RFC 4231 defines and Node computes', async () => {
    const vectors = [
      ['0b'.repeat(20), Buffer.from('Hi There').toString('hex')],
      [Buffer.from('Jefe').toString('hex'), Buffer.from('what do ya want for nothing?').toString('hex')],
      ['aa'.repeat(20), 'dd'.repeat(50)],
      ['0102030405060708090a0b0c0d0e0f10111213141516171819', 'cd'.repeat(50)],
    ].map((pair) => pair.map((hex) => Buffer.from(hex, 'hex'))) as [Buffer, Buffer][];
    const macs = [
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
      '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
    ];
    expect(await program.hmac(vectors)).toEqual(macs);
    const random = Array.from({ length: 200 }, (_, i): [Buffer, Buffer] => [randomBytes(1 + (i % 64)), randomBytes(i)]);
    const right = random.map(([key, data]) => createHmac('sha256', key).update(data).digest('hex'));
    expect(await program.hmac(random)).toEqual(right);
  });

  it('gets through with the token, many at once, and not a byte is lost behind the proof', async () => {
    const place = at(door.port);
    const calls = Array.from({ length: 40 }, async (_, i) => echo(await callGuest(place, AGENT), `hello ${i}`));
    expect(await Promise.all(calls)).toEqual(calls.map((_, i) => `hello ${i}`));
  });

  it('says that nothing listens at another port, to those who know the token', async () => {
    const refused = { code: 'NETWORK', message: expect.stringContaining('port 4711 of the guest: nothing listens') };
    expect(await openedBy(() => expect(callGuest(at(door.port), 4711)).rejects.toMatchObject(refused))).toBe(0);
    await expect(callGuest(at(1), AGENT)).rejects.toMatchObject({ code: 'NETWORK' });
  });

  it('gets nothing but a nonce without the token', async () => {
    for (const said of [Buffer.alloc(0), Buffer.alloc(CALL_BYTES), randomBytes(100_000)]) {
      const opened = await openedBy(async () => {
        const socket = createConnection(door.port, HOST);
        socket.end(said);
        const heard = await everything(socket);
        expect(heard.length).toBeLessThanOrEqual(NONCE_BYTES);
      });
      expect(opened).toBe(0);
    }
    const opened = await openedBy(() =>
      expect(callGuest(at(door.port, randomBytes(32)), AGENT)).rejects.toMatchObject({ code: 'NETWORK' }),
    );
    expect(opened).toBe(0);
  });

  it('gets nothing with a proof for another port, another nonce, or with one bit changed', async () => {
    for (const bit of [0, 8 * NONCE_BYTES, 8 * NONCE_BYTES + 9, 8 * CALL_BYTES - 1]) {
      const opened = await openedBy(async () => {
        const socket = createConnection(door.port, HOST);
        const [nonce] = (await once(socket, 'data')) as [Buffer];
        const call = makeCall(token, nonce, randomBytes(NONCE_BYTES), AGENT);
        const byte = bit >> 3;
        call[byte] = (call[byte] ?? 0) ^ (1 << (bit & 7));
        socket.write(call);
        expect(await everything(socket)).toHaveLength(0);
      });
      expect(opened).toBe(0);
    }
  });

  it('gets nothing with a recording of one that got through', async () => {
    const recorded: Buffer[] = [];
    const { server, port } = await listening((socket) => {
      const guest = createConnection(door.port, HOST);
      socket.on('data', (chunk) => recorded.push(chunk));
      socket.pipe(guest).pipe(socket);
      guest.on('error', () => {});
    });
    expect(await echo(await callGuest(at(port), AGENT), 'hello')).toBe('hello');
    server.close();
    const recording = Buffer.concat(recorded);
    expect(recording).toHaveLength(CALL_BYTES + 'hello'.length);
    const opened = await openedBy(async () => {
      const socket = createConnection(door.port, HOST);
      socket.write(recording);
      expect((await everything(socket)).length).toBeLessThanOrEqual(NONCE_BYTES);
    });
    expect(opened).toBe(0);
  });

  it('does not trust one who sends back what the host has said, or what another guest has', async () => {
    const answers: ((call: Buffer) => Buffer)[] = [
      (call) => Buffer.concat([Buffer.of(0), call.subarray(-32)]),
      (call) => makeCall(randomBytes(32), Buffer.alloc(NONCE_BYTES), call.subarray(0, NONCE_BYTES), AGENT),
      () => Buffer.alloc(1000),
    ];
    for (const answer of answers) {
      const heard: number[] = [];
      const { server, port } = await listening((socket) => {
        socket.write(randomBytes(NONCE_BYTES));
        socket.on('data', (call) => {
          heard.push(call.length);
          socket.write(answer(call));
        });
      });
      const distrust = { code: 'NETWORK', message: expect.stringContaining('does not know its token') };
      await expect(callGuest(at(port), AGENT)).rejects.toMatchObject(distrust);
      expect(heard).toEqual([CALL_BYTES]);
      server.close();
    }
  });

  it('ends when the guest does not answer in time, or when it is given up', async () => {
    const { server, port } = await listening(() => {});
    const late = { code: 'NETWORK', message: expect.stringContaining('no answer within 0.1 s') };
    await expect(callGuest(at(port), AGENT, { timeoutMs: 100 })).rejects.toMatchObject(late);
    const controller = new AbortController();
    const place = at(port);
    const calls = Array.from({ length: 5 }, () => callGuest(place, AGENT, { signal: controller.signal }));
    controller.abort(new Error('never mind'));
    for (const call of calls) await expect(call).rejects.toThrow('never mind');
    // Nobody who gave up holds a place.
    await expect(callGuest({ ...place, port: door.port }, AGENT).then((call) => echo(call, 'x'))).resolves.toBe('x');
    server.close();
  });

  it('gets through while others flood the door, which keeps but a few of them', async () => {
    const flood: Socket[] = [];
    const closed: Promise<unknown>[] = [];
    const more = (): void => {
      const socket = createConnection(door.port, HOST);
      socket.on('error', () => {}).resume();
      closed.push(new Promise((resolve) => socket.once('close', resolve)));
      flood.push(socket);
    };
    for (let i = 0; i < 1000; i += 1) more();
    for (let i = 0; i < 20; i += 1) {
      for (let j = 0; j < 20; j += 1) more();
      expect(await echo(await callGuest(at(door.port), AGENT), 'through')).toBe('through');
    }
    // Some descriptors of its own, and 64 callers.
    const held = async (): Promise<number> => (await readdir(`/proc/${door.pid}/fd`)).length;
    await expect.poll(held).toBeLessThan(64 + 16);
    for (const socket of flood) socket.destroy();
    await Promise.all(closed);
    await expect.poll(held).toBeLessThan(16);
  });
});
