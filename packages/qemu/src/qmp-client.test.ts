import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findQemu } from './programs.ts';
import { QmpClient, type QmpEvent, qmpCommand } from './qmp-client.ts';

let directory: string;
let socket: string;
let qemu: ChildProcess | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'qmp-'));
  socket = join(directory, 'qmp.sock');
});
afterEach(async () => {
  if (qemu && qemu.exitCode === null && qemu.signalCode === null) {
    const exit = once(qemu, 'exit');
    qemu.kill('SIGKILL');
    await exit;
  }
  qemu = undefined;
  rmSync(directory, { recursive: true, force: true });
});

/** QEMU with a machine that never runs. */
async function startQemu(): Promise<void> {
  const args = ['-M', 'virt', '-m', '16M', '-nodefaults', '-display', 'none', '-S', '-device', 'virtio-balloon-pci'];
  qemu = spawn(await findQemu('arm64', {}), [...args, '-qmp', `unix:${socket},server=on,wait=off`], {
    stdio: 'ignore',
  });
  for (let attempt = 0; attempt < 200; attempt += 1) {
    await delay(20);
    const client = await QmpClient.open(socket).catch(() => undefined);
    if (client === undefined) continue;
    client.close();
    return;
  }
}

/** Something that is not QEMU, and answers with a line. */
async function impostor(line: string): Promise<AsyncDisposable> {
  const server = createServer((client) => client.on('error', () => undefined).write(line)).listen(socket);
  await once(server, 'listening');
  return {
    [Symbol.asyncDispose]: async () => {
      server.close();
    },
  };
}

test('commands are answered, refusals and events are told', async () => {
  await startQemu();
  const events: QmpEvent[] = [];
  using client = await QmpClient.open(socket, { onEvent: (event) => events.push(event) });
  expect(await client.execute('query-status')).toMatchObject({ running: false, status: 'prelaunch' });
  const answers = await Promise.all([client.execute('query-balloon'), client.execute('query-name')]);
  expect(answers).toEqual([{ actual: 16 * 1024 ** 2 }, {}]);
  await expect(client.execute('no-such-command')).rejects.toMatchObject({
    code: 'INTERNAL',
    message: expect.stringContaining('no-such-command has not been found'),
  });
  await client.execute('quit');
  await client.closed;
  expect(events).toEqual([{ event: 'SHUTDOWN', data: { guest: false, reason: 'host-qmp-quit' } }]);
  await expect(client.execute('query-status')).rejects.toMatchObject({ code: 'INTERNAL', subject: socket });
});

test('a second connection waits its turn, and not forever', async () => {
  await startQemu();
  const first = await QmpClient.open(socket);
  const began = performance.now();
  await expect(QmpClient.open(socket, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'TIMEOUT', subject: socket });
  expect(performance.now() - began).toBeLessThan(2000);
  const second = qmpCommand(socket, 'query-version', {}, {});
  first.close();
  expect(await second).toMatchObject({ qemu: { major: expect.any(Number) } });
});

test('waiting can be given up', async () => {
  await using _ = await impostor('');
  const opening = QmpClient.open(socket, { signal: AbortSignal.timeout(50) });
  await expect(opening).rejects.toMatchObject({ name: 'TimeoutError' });
});

test.each(['not JSON\n', `"${'x'.repeat(2 * 1024 * 1024)}`])('an answer that is none is an error', async (line) => {
  await using _ = await impostor(line);
  await expect(QmpClient.open(socket)).rejects.toMatchObject({ code: 'INTERNAL', subject: socket });
});

test('a machine that is gone is an error', async () => {
  await expect(qmpCommand(socket, 'quit', {}, {})).rejects.toMatchObject({ code: 'INTERNAL', subject: socket });
});
