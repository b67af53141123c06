import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NodeProcess } from '../../test/node-process.ts';
import { publishUnixSocket } from './publish-unix-socket.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sock-'));
  path = join(directory, 'app.sock');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('a socket on the host leads to one elsewhere, for this user alone', async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(
    join(directory, 'inner'),
  );
  await once(server, 'listening');
  const socket = await publishUnixSocket(path, async () =>
    connect({ path: join(directory, 'inner'), allowHalfOpen: true }),
  );
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const client = connect(path);
  client.end('through');
  let text = '';
  for await (const chunk of client) text += chunk;
  expect(text).toBe('through');
  await expect(publishUnixSocket(path, () => Promise.reject())).rejects.toMatchObject({
    code: 'CONFLICT',
    subject: path,
  });
  await socket.close();
  server.close();
  expect(existsSync(path)).toBe(false);
  expect(existsSync(`${path}.lock`)).toBe(false);
});

test('a socket that a killed process has left is replaced, anything else is not', async () => {
  {
    await using other = await NodeProcess.start('./listen-and-wait.ts', path);
    expect(other.line).toBe('ready');
  }
  expect(existsSync(path)).toBe(true);
  await (await publishUnixSocket(path, () => Promise.reject())).close();
  writeFileSync(path, 'precious');
  await expect(publishUnixSocket(path, () => Promise.reject())).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(existsSync(path)).toBe(true);
});
