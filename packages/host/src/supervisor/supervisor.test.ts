import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NodeProcess } from '../../test/node-process.ts';
import { processIdentity } from '../process-identity.ts';
import { MAX_MESSAGE_BYTES } from './json-lines.ts';
import { serveSupervisor } from './serve-supervisor.ts';
import { type StartSupervisorOptions, startSupervisor } from './start-supervisor.ts';
import { connectSupervisor, type SupervisorClient } from './supervisor-client.ts';
import { supervisorPlace } from './supervisor-protocol.ts';

const module = fileURLToPath(new URL('../../test/toy-supervisor.ts', import.meta.url));
const pids = new Set<number>();
let dataDirectory: string;

beforeEach(() => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'supervised-'));
});
afterEach(async () => {
  for (const pid of pids) if (processIdentity(pid) !== undefined) process.kill(pid, 'SIGKILL');
  await Promise.all([...pids].map(gone));
  pids.clear();
  const { socket } = await supervisorPlace(dataDirectory);
  rmSync(dirname(socket), { recursive: true });
  rmSync(dataDirectory, { recursive: true });
});

async function start(options: Partial<StartSupervisorOptions> = {}): Promise<SupervisorClient> {
  const client = await startSupervisor({ dataDirectory, module, nodeArgs: ['--no-warnings'], ...options });
  pids.add(client.pid);
  return client;
}

async function gone(pid: number): Promise<void> {
  for (let attempt = 0; attempt < 300 && processIdentity(pid) !== undefined; attempt += 1) await delay(10);
  expect(processIdentity(pid)).toBeUndefined();
}

test('however many want a supervisor at once, in many processes, there is one', { timeout: 30_000 }, async () => {
  expect(await connectSupervisor(dataDirectory)).toBeUndefined();
  const starters = Array.from({ length: 4 }, () => NodeProcess.start('./start-toy.ts', dataDirectory));
  const clients = await Promise.all([start(), start(), start()]);
  const others = await Promise.all(starters);
  const found = new Set([...clients.map(({ pid }) => pid), ...others.map(({ line }) => Number(line))]);
  expect(found.size).toBe(1);
  expect([...found][0]).not.toBe(process.pid);
  for (const client of clients) client.close();
  for (const other of others) await other.kill();
});

test('requests are answered, with events before and errors as they were thrown', async () => {
  await using client = await start();
  expect(client.version).toBe('1.2.3');
  expect(await client.request('echo', { text: 'ä\n', list: [1, null] })).toEqual({ text: 'ä\n', list: [1, null] });
  const events: unknown[] = [];
  const counted = client.request('count', 1000, { onEvent: (event) => events.push(event) });
  expect(await Promise.all([counted, client.request('echo', 1)])).toEqual(['counted', 1]);
  expect(events).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  await expect(client.request('nonsense')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    subject: 'nonsense',
    remedy: 'Ask for something else.',
  });
  await expect(client.request('bug')).rejects.toMatchObject({ code: 'INTERNAL', message: 'a bug' });
  expect(await client.request('large', 1e6)).toHaveLength(1e6);
  await expect(client.request('large', MAX_MESSAGE_BYTES)).rejects.toMatchObject({ message: /too long/ });
  await expect(client.request('echo', 'x'.repeat(MAX_MESSAGE_BYTES))).rejects.toThrow('too long');
});

test('a request that is given up, by hand or by death, is given up in the supervisor, too', async () => {
  await using client = await start();
  const abort = new AbortController();
  const waiting = client.request('wait', null, { signal: abort.signal });
  await client.request('echo');
  abort.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  const other = await start();
  const abandoned = expect(other.request('wait')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await other.request('echo');
  other.close();
  await abandoned;
  for (let attempt = 0; attempt < 100 && (await client.request('aborted')) !== 2; attempt += 1) await delay(10);
  expect(await client.request('aborted')).toBe(2);
});

test('a killed supervisor is replaced by whoever needs the next one, over its stale socket', async () => {
  await using first = await start();
  const waiting = first.request('wait');
  process.kill(first.pid, 'SIGKILL');
  await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await first.closed;
  expect(existsSync((await supervisorPlace(dataDirectory)).socket)).toBe(true);
  expect(await connectSupervisor(dataDirectory)).toBeUndefined();
  await using second = await start();
  expect(second.pid).not.toBe(first.pid);
  expect(await second.request('echo', 2)).toBe(2);
});

test('a supervisor goes when it has nothing to do, and not before', async () => {
  const client = await start();
  const directory = dirname((await supervisorPlace(dataDirectory)).socket);
  await delay(500);
  await client.request('busy', true);
  client.close();
  await delay(500);
  expect(processIdentity(client.pid)).toBeDefined();
  const again = await start();
  expect(again.pid).toBe(client.pid);
  await again.request('busy', false);
  again.close();
  await gone(client.pid);
  expect(existsSync(directory)).toBe(false);
  const next = await start();
  expect(next.pid).not.toBe(client.pid);
  next.close();
});

test('a supervisor that leaves takes also what a killed one has left, but not what one has said', async () => {
  const killed = await start();
  const { lock, log } = await supervisorPlace(dataDirectory);
  process.kill(killed.pid, 'SIGKILL');
  await gone(killed.pid);
  const next = await start();
  next.close();
  await gone(next.pid);
  expect(existsSync(dirname(lock))).toBe(false);
  const talker = await start();
  writeFileSync(log, 'a warning\n');
  talker.close();
  await gone(talker.pid);
  expect(readFileSync(log, 'utf8')).toBe('a warning\n');
});

test('who comes just when the place of the last one is removed gets a supervisor all the same', {
  timeout: 60_000,
}, async () => {
  for (let round = 0; round < 4; round += 1) {
    const leaving = await start();
    leaving.close();
    // All about when it leaves, some in the middle of it.
    const late = Array.from({ length: 6 }, (_, index) => delay(285 + 7 * index).then(() => start()));
    for (const client of await Promise.all(late)) {
      expect(await client.request('echo', round)).toBe(round);
      client.close();
    }
  }
});

test('nobody gets lost while supervisors come and go', { timeout: 60_000 }, async () => {
  for (let round = 0; round < 6; round += 1) {
    const client = await start();
    expect(await client.request('echo', round)).toBe(round);
    client.close();
    // About when it leaves.
    await delay(280 + 10 * round);
  }
});

test('its place is for this user alone, and what is said there has its bounds', async () => {
  await using client = await start();
  const { socket } = await supervisorPlace(dataDirectory);
  expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  for (const text of ['nonsense\n', '[]\n', '{"id":"1","method":"echo"}\n', 'x'.repeat(2 * MAX_MESSAGE_BYTES)]) {
    const raw = connect(socket);
    raw.on('error', () => undefined);
    raw.resume().write(text);
    await new Promise((resolve) => raw.once('close', resolve));
  }
  expect(await client.request('echo', 'still')).toBe('still');
  await expect(serveSupervisor({ dataDirectory, version: '1', handle: async () => 1 })).rejects.toMatchObject({
    code: 'CONFLICT',
  });
});

test('a supervisor that cannot start says why', async () => {
  await expect(start({ env: { ...process.env, TOY_FAILS: '1' } })).rejects.toMatchObject({
    code: 'START_FAILED',
    subject: dataDirectory,
    message: expect.stringContaining('toys are broken'),
  });
  await expect(start({ module: '/nowhere.js' })).rejects.toMatchObject({
    message: expect.stringContaining('/nowhere.js'),
  });
});
