import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NodeProcess } from '../../test/node-process.ts';
import { endlessOutput } from '../../test/output.ts';
import { JsonFileLog } from './json-file-log.ts';
import type { LogStream } from './log-entry.ts';
import { readJsonFileLog } from './read-json-file-log.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'log-'));
  path = join(directory, 'container.log');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function recorded(file = path): Promise<Record<LogStream, string>> {
  const chunks: Record<LogStream, Uint8Array[]> = { stdout: [], stderr: [] };
  for await (const { stream, data } of readJsonFileLog(file)) chunks[stream].push(data);
  return { stdout: Buffer.concat(chunks.stdout).toString(), stderr: Buffer.concat(chunks.stderr).toString() };
}

/** Output of both streams: lines, parts of lines and characters that chunks divide. */
const OUTPUT: { stream: LogStream; data: Buffer }[] = [];
for (let i = 0; i < 24; i += 1) {
  OUTPUT.push({ stream: 'stdout', data: Buffer.from(`grün ${i}`) });
  OUTPUT.push({ stream: 'stderr', data: Buffer.from(`err ${i}\n`.slice(0, i % 7)) });
  const text = Buffer.from(`😀 and\nso "on"\n`);
  OUTPUT.push({ stream: 'stdout', data: text.subarray(0, i % 9) }, { stream: 'stdout', data: text.subarray(i % 9) });
}
const expected = (stream: LogStream): string =>
  Buffer.concat(OUTPUT.filter((chunk) => chunk.stream === stream).map(({ data }) => data)).toString();

/** Writes the output from an offset on, as a guest's agent sends it again. */
async function replay(log: JsonFileLog, from: number, flushEvery = 0): Promise<void> {
  let offset = 0;
  for (const [index, { stream, data }] of OUTPUT.entries()) {
    const skip = Math.max(0, from - offset);
    if (skip < data.length) await log.write(stream, data.subarray(skip), { offset: offset + skip });
    offset += data.length;
    if (flushEvery > 0 && index % flushEvery === 0) await log.flush();
  }
}

test.each([0, 5])(
  'whatever byte a crash ends the log at, the output is continued without a gap or a repetition (flush every %d)',
  { timeout: 60_000 },
  async (flushEvery) => {
    const whole = join(directory, 'whole.log');
    const first = await JsonFileLog.open(whole, { run: 'a' });
    await replay(first, 0, flushEvery);
    await first.close();
    expect(await recorded(whole)).toEqual({ stdout: expected('stdout'), stderr: expected('stderr') });
    const { length } = readFileSync(whole);
    for (let size = 0; size <= length; size += size < 400 ? 1 : 29) {
      copyFileSync(whole, path);
      truncateSync(path, size);
      const log = await JsonFileLog.open(path, { run: 'a' });
      await replay(log, log.offset ?? Number.NaN);
      await log.close();
      expect({ size, ...(await recorded()) }).toEqual({ size, stdout: expected('stdout'), stderr: expected('stderr') });
    }
  },
);

test('a writer that is killed at any moment is continued by the next one', { timeout: 60_000 }, async () => {
  for (let round = 0; round < 8; round += 1) {
    await using writer = await NodeProcess.start('./write-log.ts', path);
    expect(writer.line).toBe('ready');
    await delay(30 + 40 * Math.random());
    await writer.kill();
  }
  const log = await JsonFileLog.open(path, { run: 'r', maxBytes: 1_000_000, maxFiles: 100 });
  const end = log.offset ?? 0;
  await log.close();
  expect(end).toBeGreaterThan(5000);
  const { stdout, stderr } = await recorded();
  const made = { stdout: '', stderr: '' };
  let offset = 0;
  for (const { stream, data } of endlessOutput()) {
    if (offset >= end + 200_000) break;
    made[stream] += data.toString('latin1');
    offset += data.length;
  }
  expect(stdout.length + stderr.length).toBeGreaterThanOrEqual(end);
  expect(made.stdout.startsWith(stdout)).toBe(true);
  expect(made.stderr.startsWith(stderr)).toBe(true);
});

test('what is sent again over a new connection is not recorded again', async () => {
  const log = await JsonFileLog.open(path, { run: 'a' });
  await log.write('stdout', Buffer.from('one\ntw'), { offset: 0 });
  await log.write('stdout', Buffer.from('ne\ntwo\n'), { offset: 1 });
  await log.write('stderr', Buffer.from('e\n'), { offset: 8 });
  await log.write('stdout', Buffer.from('one\ntwo\n'), { offset: 0 });
  expect(await log.flush()).toBe(10);
  await log.close();
  expect(await recorded()).toEqual({ stdout: 'one\ntwo\n', stderr: 'e\n' });
});

test('flush says up to where the output is safe, also in the midst of lines and characters', async () => {
  const log = await JsonFileLog.open(path, { run: 'a' });
  expect(log.offset).toBe(0);
  await log.write('stdout', Buffer.from('pass'), { offset: 0 });
  expect(log.offset).toBe(0);
  expect(await log.flush()).toBe(4);
  expect(await recorded()).toEqual({ stdout: 'pass', stderr: '' });
  await log.write('stdout', Buffer.from([0x77, 0xc3]), { offset: 4 });
  expect(await log.sync()).toBe(5);
  await log.write('stdout', Buffer.from([0xbc]), { offset: 6 });
  expect(await log.flush()).toBe(7);
  // The half of a character is not waited for any more when other output has followed it.
  await log.write('stdout', Buffer.from([0xc3]), { offset: 7 });
  await log.write('stderr', Buffer.from('x'), { offset: 8 });
  expect(await log.flush()).toBe(9);
  await log.close();
  expect(await recorded()).toEqual({ stdout: 'passwü\ufffd', stderr: 'x' });
});

test('another run of the same container counts from 0, and keeps what the first one has said', async () => {
  for (const run of ['one', 'two', 'two']) {
    const log = await JsonFileLog.open(path, { run });
    expect(log.offset).toBe((await recorded()).stdout.endsWith('two\n') ? 4 : 0);
    await log.write('stdout', Buffer.from(`${run}\n`), { offset: 0 });
    await log.close();
  }
  expect((await recorded()).stdout).toBe('one\ntwo\n');
});

test('offsets without a run, and names that are none, are errors', async () => {
  const log = await JsonFileLog.open(path);
  expect(log.offset).toBeUndefined();
  await expect(log.write('stdout', Buffer.from('x'), { offset: 0 })).rejects.toThrow('a log without a run');
  await log.close();
  await expect(JsonFileLog.open(path, { run: '"' })).rejects.toMatchObject({ code: 'INVALID_SPEC' });
  await expect(JsonFileLog.open(path, { maxBytes: 0 })).rejects.toMatchObject({ code: 'INVALID_SPEC' });
});
