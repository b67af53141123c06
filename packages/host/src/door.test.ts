import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sanitizedHost } from '../test/host-builds.ts';
import { connectVsock } from './vsock.ts';

/** A caller that dials and never reads, to be killed. */
const DIALER = `
  const socket = require('node:net').connect(process.argv[1], () => process.stdout.write('dialed'));
  socket.write('CONNECT 9\\n');
`;

describe('the door before a vsock device', { timeout: 60_000 }, () => {
  let directory: string;
  let door: ChildProcess;
  let said = '';
  let device: Server;
  /** What the device does with a call, once its line has come. */
  let onCall: (socket: Socket, line: string) => void;
  const path = (): string => join(directory, 'door.sock');
  const devicePath = (): string => join(directory, 'vsock.sock');

  beforeAll(() => {
    sanitizedHost();
  }, 60_000);
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'door-'));
    device = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      socket.once('data', (line) => onCall(socket, line.toString()));
    });
    device.listen(devicePath());
    await once(device, 'listening');
    said = '';
    await open([sanitizedHost(), '--door', path(), devicePath()]);
  });
  /** The socket is there a moment before it can be called. */
  const isServed = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(path(), () => resolve(true));
      socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
    });
  const open = async ([program = '', ...rest]: readonly string[]): Promise<void> => {
    door = spawn(program, rest);
    door.stderr?.on('data', (data) => {
      said += data;
    });
    while (door.exitCode === null && !(await isServed())) await delay(5);
  };
  afterEach(async () => {
    const alive = door.exitCode === null;
    door.kill('SIGTERM');
    if (alive) await once(door, 'close');
    device.close();
    rmSync(directory, { recursive: true, force: true });
    expect({ alive, said }).toEqual({ alive: true, said: '' });
  });

  it('lets nobody else in, and carries both directions to their ends, one after the other', async () => {
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    const received = createHash('sha256');
    onCall = (socket, line) => {
      expect(line).toBe('CONNECT 1024\n');
      socket.write('OK 1\nand more');
      socket.on('data', (data) => received.update(data));
      // Half of the connection is over: what is said now still arrives.
      socket.once('end', () => socket.end(Buffer.alloc(8_000_000, 'device ')));
    };
    const socket = await connectVsock(path(), 1024);
    const sent = Buffer.alloc(8_000_000, 'caller ');
    const got: Buffer[] = [];
    socket.on('data', (data) => got.push(data));
    socket.end(sent);
    await once(socket, 'close');
    expect(received.digest('hex')).toBe(createHash('sha256').update(sent).digest('hex'));
    expect(
      Buffer.concat(got).equals(Buffer.concat([Buffer.from('and more'), Buffer.alloc(8_000_000, 'device ')])),
    ).toBe(true);
  });

  it('keeps a call that was asked for until the device has answered, though the caller was killed', async () => {
    const asked = Promise.withResolvers<Socket>();
    onCall = (socket) => asked.resolve(socket);
    const caller = spawn(process.execPath, ['--eval', DIALER, path()]);
    const socket = await asked.promise;
    caller.kill('SIGKILL');
    await once(caller, 'close');
    let isClosed = false;
    socket.once('end', () => {
      isClosed = true;
    });
    await delay(300);
    expect(isClosed).toBe(false);
    await new Promise<void>((resolve, reject) => {
      socket.write('OK 1\n', (error) => (error ? reject(error) : resolve()));
    });
    socket.resume();
    await once(socket, 'end');
    socket.end();
  });

  it('hangs up on the device when the caller hangs up, and the other way round, with all that was said before', async () => {
    const ends: string[] = [];
    onCall = (socket, line) => {
      socket.write('OK 1\n');
      if (line.includes(' 2\n')) {
        socket.write(Buffer.alloc(1_000_000, 1));
        socket.end();
      }
      let bytes = 0;
      socket.on('data', (data) => {
        bytes += data.length;
      });
      socket.once('end', () => ends.push(`${line.trim()}: ${bytes}`));
    };
    const first = await connectVsock(path(), 1);
    await new Promise<void>((resolve) => first.write(Buffer.alloc(500_000), () => resolve()));
    first.destroy();
    const second = await connectVsock(path(), 2);
    let bytes = 0;
    second.on('data', (data) => {
      bytes += data.length;
    });
    await once(second, 'close');
    expect(bytes).toBe(1_000_000);
    await expect.poll(() => ends.sort()).toEqual(['CONNECT 1: 500000', 'CONNECT 2: 0']);
  });

  it('tells the device an end, not an error, when a caller goes before it has read all', async () => {
    // A device that gets an error tells its guest nothing, which then sends for ever.
    const faults: (string | undefined)[] = [];
    const gone: Promise<unknown>[] = [];
    onCall = (socket) => {
      socket.on('error', (error: NodeJS.ErrnoException) => faults.push(error.code));
      gone.push(new Promise((resolve) => socket.once('close', resolve)));
      socket.write('OK 1\n');
      socket.resume().end(Buffer.alloc(16_000_000));
    };
    for (let i = 0; i < 20; i += 1) {
      const socket = await connectVsock(path(), 1);
      socket.pause();
      await delay(10);
      socket.destroy();
    }
    await Promise.all(gone);
    expect(faults).not.toContain('ECONNRESET');
  });

  it('takes what a device sends when nobody reads it any more, or it would not take what the caller has left', async () => {
    const heard = Promise.withResolvers<number>();
    onCall = (socket) => {
      let bytes = 0;
      socket.on('data', (data) => {
        bytes += data.length;
      });
      socket.once('end', () => heard.resolve(bytes));
      socket.pause();
      // It reads only when all of this has gone.
      socket.write('OK 1\n');
      socket.write(Buffer.alloc(4_000_000), () => socket.resume());
    };
    const socket = await connectVsock(path(), 1);
    // More than the device's socket holds unread, less than all that lies between holds.
    await new Promise<void>((resolve) => socket.write(Buffer.alloc(400_000), () => resolve()));
    socket.destroy();
    expect(await heard.promise).toBe(400_000);
  });

  it('refuses callers for whom there is no place, and has one when another has gone', async () => {
    door.kill('SIGTERM');
    await once(door, 'close');
    rmSync(path());
    // Each call takes two descriptors, and some are spared.
    await open(['sh', '-c', 'ulimit -n 64; exec "$@"', 'sh', sanitizedHost(), '--door', path(), devicePath()]);
    onCall = (socket) => socket.pipe(socket).write('OK 1\n');
    const sockets: Socket[] = [];
    for (let i = 0; i < 16; i += 1) sockets.push(await connectVsock(path(), 1));
    for (let i = 0; i < 50; i += 1) await expect(connectVsock(path(), 1)).rejects.toMatchObject({ code: 'NETWORK' });
    sockets.pop()?.destroy();
    await expect
      .poll(() =>
        connectVsock(path(), 1).then(
          (socket) => sockets.push(socket),
          () => 0,
        ),
      )
      .toBe(16);
    for (const socket of sockets) socket.destroy();
  });

  it('makes the sender wait for a receiver that does not read, and holds little of it', async () => {
    let socketOfDevice: Socket | undefined;
    onCall = (socket) => {
      socketOfDevice = socket;
      socket.write('OK 1\n');
    };
    const socket = await connectVsock(path(), 1);
    socket.pause();
    const before = residentBytes(door.pid);
    const total = 64 * 1024 * 1024;
    socketOfDevice?.end(Buffer.alloc(total, 7));
    await delay(500);
    expect(socketOfDevice?.writableLength).toBeGreaterThan(total / 2);
    expect(residentBytes(door.pid) - before).toBeLessThan(4 * 1024 * 1024);
    let bytes = 0;
    socket.on('data', (data) => {
      bytes += data.length;
    });
    socket.resume();
    await once(socket, 'close');
    expect(bytes).toBe(total);
  });

  it('serves a thousand calls at once', async () => {
    onCall = (socket) => {
      socket.write('OK 1\n');
      socket.pipe(socket);
    };
    const sockets: Socket[] = [];
    for (let i = 0; i < 1000; i += 1) sockets.push(await connectVsock(path(), i));
    const answers = await Promise.all(
      sockets.map(async (socket, i) => {
        socket.write(String(i));
        const [data] = (await once(socket, 'data')) as [Buffer];
        socket.destroy();
        return data.toString();
      }),
    );
    expect(answers).toEqual(sockets.map((_, i) => String(i)));
  });

  it('answers what is no request, or finds no device, by hanging up', async () => {
    onCall = () => expect.unreachable('the device was called');
    const socket = connect(path());
    socket.write('x'.repeat(100));
    await once(socket.resume(), 'close').catch(() => {});
    device.close();
    rmSync(devicePath(), { force: true });
    await expect(connectVsock(path(), 1)).rejects.toMatchObject({ code: 'NETWORK' });
  });
});

function residentBytes(pid: number | undefined): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
