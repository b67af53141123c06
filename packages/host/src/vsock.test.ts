import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectVsock, listenVsock } from './vsock.ts';

describe('a guest port behind a Unix socket', () => {
  let directory: string;
  let server: Server | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vsock-'));
  });
  afterEach(async () => {
    server?.close();
    server = undefined;
    await rm(directory, { recursive: true, force: true });
  });

  const serve = async (onConnection: (socket: Socket) => void): Promise<string> => {
    const path = join(directory, 'v.sock');
    server = createServer((socket) => {
      socket.on('error', () => {});
      onConnection(socket);
    });
    await new Promise<void>((resolve) => server?.listen(path, resolve));
    return path;
  };

  it('loses no byte that arrives together with the answer', async () => {
    let asked = '';
    const path = await serve((socket) => {
      socket.once('data', (data) => {
        asked = String(data);
        socket.end('OK 7\nfirst bytes');
      });
    });
    const connection = await connectVsock(path, 1024);
    expect(await text(connection)).toBe('first bytes');
    expect(asked).toBe('CONNECT 1024\n');
  });

  it('understands an answer that comes byte by byte', async () => {
    const path = await serve((socket) => {
      void (async () => {
        for (const byte of 'OK 1073741824\nx') {
          socket.write(byte);
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        socket.end();
      })();
    });
    expect(await text(await connectVsock(path, 1))).toBe('x');
  });

  it.each([
    ['a close', (socket: Socket) => socket.end(), /nothing listens/],
    ['another answer', (socket: Socket) => socket.write('NO\n'), /unexpected answer/],
    ['an endless answer', (socket: Socket) => socket.write('O'.repeat(4096)), /unexpected answer/],
  ])('takes %s for a failure', async (_, answer, message) => {
    const path = await serve(answer);
    await expect(connectVsock(path, 9)).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringMatching(message),
    });
  });

  it('names the cause when the socket is not there', async () => {
    await expect(connectVsock(join(directory, 'none'), 9)).rejects.toMatchObject({
      code: 'NETWORK',
      message: /ENOENT/,
    });
  });

  it('gives up when asked to', async () => {
    const path = await serve(() => {});
    const controller = new AbortController();
    const pending = connectVsock(path, 9, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(pending).rejects.toThrow('enough');
  });

  it('takes calls of the guest, and leaves no socket when closed', async () => {
    const path = join(directory, 'v.sock');
    const calls: string[] = [];
    const listener = await listenVsock(path, 1025, (connection) => {
      connection.on('data', (data) => calls.push(String(data)));
    });
    const again = await listenVsock(path, 1026, () => {});
    await again.close();
    const { createConnection } = await import('node:net');
    await new Promise<void>((resolve) =>
      createConnection(`${path}_1025`)
        .end('ready')
        .on('close', () => resolve()),
    );
    await listener.close();
    expect(calls).toEqual(['ready']);
    await expect(connectVsock(`${path}_1025`, 1)).rejects.toMatchObject({ code: 'NETWORK' });
  });
});
