import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { JsonLines } from './json-lines.ts';

const PIECE = 'x'.repeat(256 * 1024);
const MESSAGES = 64;

let directory: string;
let ends: [Socket, Socket];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lines-'));
  const server = createServer().listen(join(directory, 's'));
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const client = connect(join(directory, 's'));
  ends = [client, (await accepted)[0] as Socket];
  server.close();
});
afterEach(() => {
  for (const end of ends) end.destroy();
  rmSync(directory, { recursive: true });
});

test('two ends that both send much at once both get everything', async () => {
  const exchanges = ends.map(async (socket) => {
    const all = Promise.withResolvers<void>();
    let count = 0;
    const lines = new JsonLines(socket, () => {
      count += 1;
      if (count === MESSAGES) all.resolve();
    });
    for (let i = 0; i < MESSAGES; i += 1) lines.send(PIECE);
    await all.promise;
  });
  await Promise.all(exchanges);
});

test('who waits for room keeps little in memory, and is told when the other end has gone', async () => {
  const [reader, writer] = ends;
  const lines = new JsonLines(writer, () => {});
  reader.pause();
  let sent = 0;
  const sending = (async () => {
    for (; !writer.destroyed; sent += 1) {
      lines.send(PIECE);
      await lines.drained();
    }
  })();
  await delay(200);
  expect(sent).toBeLessThan(8);
  expect(writer.writableLength).toBeLessThan(2 * PIECE.length);
  const before = sent;
  let received = 0;
  reader.on('data', (bytes) => {
    received += bytes.length;
    if (received > 20 * PIECE.length) reader.destroy();
  });
  reader.resume();
  await sending;
  expect(sent).toBeGreaterThan(before + 10);
});

test('an end that reads nothing is given up at the bound', async () => {
  const [reader, writer] = ends;
  const lines = new JsonLines(writer, () => {}, { maxWaitingBytes: 4 * PIECE.length });
  reader.pause();
  for (let i = 0; i < MESSAGES && !writer.destroyed; i += 1) lines.send(PIECE);
  expect(writer.destroyed).toBe(true);
  expect(writer.writableLength).toBeLessThan(6 * PIECE.length);
});
