import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connectVsock } from '@zlayer/host';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../scripts/node-gyp.ts';

const CONNECTIONS = 1500;
const LONG = 8 * 1024 * 1024;

describe('the vsock of vz-host, with a guest that knows half-close', () => {
  let directory: string;
  let bridge: ChildProcess;
  let guest: Server;
  const path = (name: string): string => join(directory, name);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vz-bridge-'));
    const programs = await build('Debug');
    // Says how much came as soon as the other side has said its last, and only then.
    guest = createServer({ allowHalfOpen: true }, (socket) => {
      let bytes = 0;
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        bytes += chunk.length;
      });
      socket.on('end', () => socket.end(`${bytes} bytes`));
    });
    guest.listen({ path: path('guest.sock'), backlog: 4096 });
    await once(guest, 'listening');
    bridge = spawn(join(programs, 'bridge-check'), [path('v.sock'), path('guest.sock')], {
      env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (bridge.stdout === null) throw new Error('the bridge has no output');
    await once(bridge.stdout, 'data');
    // Compiling takes minutes on a busy machine.
  }, 600_000);
  afterAll(async () => {
    bridge?.kill('SIGKILL');
    guest?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const ask = async (bytes: number): Promise<string> => {
    const socket = await connectVsock(path('v.sock'), 1024);
    socket.end(Buffer.alloc(bytes));
    return await text(socket);
  };

  it('passes on the end of one way while the other goes on', async () => {
    expect(await ask(5)).toBe('5 bytes');
    expect(await ask(LONG)).toBe(`${LONG} bytes`);
  });

  it(`carries ${CONNECTIONS} connections at once, and is none the worse for it`, async () => {
    const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => connectVsock(path('v.sock'), 1024)));
    const answers = sockets.map((socket, index) => {
      socket.end(Buffer.alloc(index));
      return text(socket);
    });
    expect(await Promise.all(answers)).toEqual(sockets.map((_, index) => `${index} bytes`));
    expect(await ask(1)).toBe('1 bytes');
  }, 60_000);

  it('ends a connection whose guest is gone', async () => {
    guest.close();
    await expect(ask(1)).rejects.toMatchObject({ code: 'NETWORK' });
  });
});
