import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { processIdentity } from '../process-identity.ts';
import { MAX_MESSAGE_BYTES } from './json-lines.ts';
import { startSupervisor } from './start-supervisor.ts';
import type { SupervisorClient } from './supervisor-client.ts';
import { supervisorPlace } from './supervisor-protocol.ts';

const module = fileURLToPath(new URL('../../test/toy-supervisor.ts', import.meta.url));
/** What keeps all that it is sent dies of it. */
const SMALL = ['--max-old-space-size=96'];
let dataDirectory: string;
let path: string;
let client: SupervisorClient;

beforeAll(async () => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'hostile-'));
  path = (await supervisorPlace(dataDirectory)).socket;
  client = await startSupervisor({ dataDirectory, module, nodeArgs: ['--no-warnings', ...SMALL] });
});
afterAll(async () => {
  client.close();
  process.kill(client.pid, 'SIGKILL');
  while (processIdentity(client.pid) !== undefined) await delay(10);
  rmSync(dirname(path), { recursive: true });
  rmSync(dataDirectory, { recursive: true });
});

function open(): Socket {
  const socket = connect(path);
  return socket.on('error', () => {});
}

async function closed(socket: Socket): Promise<void> {
  // Not by `once`: a connection may end with an error.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

test.each([
  ['garbage', Buffer.from([0, 255, 254, 10, 13, 10])],
  ['deep nesting', Buffer.from(`${'['.repeat(1_000_000)}\n`)],
  ['a request without an id', Buffer.from('{"method":"echo"}\n')],
  ['a line without an end', Buffer.alloc(2 * MAX_MESSAGE_BYTES, 'x')],
])('%s costs its client the connection, and nobody else anything', async (_, bytes) => {
  const socket = open();
  socket.resume().write(bytes);
  await closed(socket);
  expect(await client.request('echo', 1)).toBe(1);
});

test('half lines of clients that vanish are forgotten', { timeout: 30_000 }, async () => {
  for (let round = 0; round < 50; round += 1) {
    const socket = open();
    await new Promise((resolve) => socket.write('x'.repeat(3_000_000), resolve));
    socket.destroy();
  }
  expect(await client.request('echo', 2)).toBe(2);
});

test('a client that asks and reads nothing is given up, at a bounded price', { timeout: 30_000 }, async () => {
  const socket = open();
  socket.pause();
  const ended = new Promise((resolve) => socket.once('close', resolve));
  for (let id = 1; id <= 200 && !socket.destroyed; id += 1) {
    socket.write(`{"id":${id},"method":"large","params":1000000}\n`);
  }
  await delay(500);
  expect(await client.request('echo', 3)).toBe(3);
  socket.resume();
  await ended;
});

test('requests beyond the most that one client may have under way end its connection', async () => {
  const socket = open();
  socket.resume();
  for (let id = 1; id <= 300; id += 1) socket.write(`{"id":${id},"method":"wait"}\n`);
  await closed(socket);
  expect(await client.request('echo', 4)).toBe(4);
});

test('a flood of connections is turned away, and passes', { timeout: 30_000 }, async () => {
  const flood = Array.from({ length: 600 }, () => open().resume());
  const gone = flood.map(closed);
  const left = (): number => flood.filter((socket) => !socket.closed).length;
  await expect.poll(left, { timeout: 10_000 }).toBeLessThanOrEqual(128);
  expect(await client.request('echo', 5)).toBe(5);
  for (const socket of flood) socket.destroy();
  await Promise.all(gone);
  await using another = await startSupervisor({ dataDirectory, module });
  expect(await another.request('echo', 6)).toBe(6);
  expect(another.pid).toBe(client.pid);
});

test('a method that it does not know is an error of that request alone', async () => {
  await expect(client.request('constructor')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await client.request('echo', 7)).toBe(7);
});

test.skipIf(process.getuid?.() !== 0)('another user does not get in (needs root to become one)', async () => {
  const script = `require('net').connect(${JSON.stringify(path)}).on('error', (e) => console.log(e.code)).on('connect', () => console.log('in'))`;
  const other = spawn(process.execPath, ['-e', script], {
    uid: 65534,
    gid: 65534,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = await once(other.stdout, 'data');
  other.kill('SIGKILL');
  await once(other, 'close');
  expect(String(said)).toBe('EACCES\n');
});
