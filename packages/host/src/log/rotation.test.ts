import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { JsonFileLog } from './json-file-log.ts';
import { type ReadLogOptions, readJsonFileLog } from './read-json-file-log.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'log-'));
  path = join(directory, 'container.log');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function read(options?: ReadLogOptions): Promise<{ text: string; cursor: number }[]> {
  const entries = [];
  for await (const { data, cursor } of readJsonFileLog(path, options)) {
    entries.push({ text: Buffer.from(data).toString(), cursor });
  }
  return entries;
}
const texts = async (options?: ReadLogOptions): Promise<string[]> => (await read(options)).map(({ text }) => text);
const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `${from + i}\n`);

/** Writes numbered lines one by one, each in a second of its own. */
async function fill(log: JsonFileLog, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i += 1) {
    await log.write('stdout', Buffer.from(`${i}\n`), { time: new Date(Date.UTC(2026, 0, 1, 0, 0, i)) });
  }
}

test('a log takes no more room than it may, and keeps its newest lines', async () => {
  const log = await JsonFileLog.open(path, { maxBytes: 1000, maxFiles: 3 });
  await fill(log, 0, 200);
  await log.close();
  expect(readdirSync(directory).sort()).toEqual(['container.log', 'container.log.1', 'container.log.2']);
  for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).size).toBeLessThanOrEqual(1020);
  const kept = await texts();
  expect(kept.length).toBeGreaterThan(25);
  expect(kept).toEqual(numbers(200 - kept.length, 200));
  // Docker's readers decode each line as JSON and know these three members.
  for (const line of readFileSync(path, 'utf8').trim().split('\n')) {
    expect(JSON.parse(line)).toMatchObject({ log: expect.any(String), stream: 'stdout', time: expect.any(String) });
  }
});

test('a log of one file keeps no other', async () => {
  const log = await JsonFileLog.open(path, { maxBytes: 500, maxFiles: 1 });
  await fill(log, 0, 50);
  await log.close();
  expect(readdirSync(directory)).toEqual(['container.log']);
  expect((await texts()).at(-1)).toBe('49\n');
});

test('a log that is opened again goes on where it was', async () => {
  for (let round = 0; round < 10; round += 1) {
    const log = await JsonFileLog.open(path, { maxBytes: 1000, maxFiles: 9 });
    await fill(log, round * 10, round * 10 + 10);
    await log.close();
  }
  expect(await texts()).toEqual(numbers(0, 100));
});

test('a tail, a time and a cursor are found in every file', async () => {
  const log = await JsonFileLog.open(path, { maxBytes: 1000, maxFiles: 20 });
  await fill(log, 0, 100);
  await log.close();
  expect(readdirSync(directory).length).toBeGreaterThan(6);
  const all = await read();
  for (let i = 0; i <= 100; i += 1) {
    expect(await texts({ tail: i })).toEqual(numbers(100 - i, 100));
    const since = new Date(Date.UTC(2026, 0, 1, 0, 0, i));
    expect(await texts({ since })).toEqual(numbers(i, 100));
    expect(await texts({ before: since })).toEqual(numbers(0, i));
    if (i < 100) expect(await texts({ cursor: all[i]?.cursor })).toEqual(numbers(i + 1, 100));
  }
  const since = new Date(Date.UTC(2026, 0, 1, 0, 0, 90));
  expect(await texts({ since, tail: 50 })).toEqual(numbers(90, 100));
  expect(await texts({ since, tail: 5 })).toEqual(numbers(95, 100));
});

test('a time is found in a large file without reading it', { timeout: 20_000 }, async () => {
  const log = await JsonFileLog.open(path);
  const line = Buffer.from(`${'x'.repeat(200)}\n`);
  for (let i = 0; i < 300; i += 1) {
    await log.write('stdout', Buffer.concat(Array.from({ length: 500 }, () => line)), { time: new Date(i * 1000) });
  }
  await log.close();
  const begin = performance.now();
  expect((await texts({ since: new Date(299_000) })).length).toBe(500);
  expect(performance.now() - begin).toBeLessThan(100);
});

test('a cursor holds over rotations, and one whose place is gone is an error, not a gap', async () => {
  const log = await JsonFileLog.open(path, { maxBytes: 1000, maxFiles: 3 });
  await fill(log, 0, 5);
  const cursor = (await read()).at(-1)?.cursor;
  await fill(log, 5, 20);
  expect(existsSync(`${path}.1`)).toBe(true);
  expect(await texts({ cursor })).toEqual(numbers(5, 20));
  await fill(log, 20, 100);
  await expect(texts({ cursor })).rejects.toMatchObject({ code: 'NOT_FOUND', subject: path });
  const end = (await read()).at(-1)?.cursor ?? 0;
  expect(await texts({ cursor: end })).toEqual([]);
  await expect(texts({ cursor: end + 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await log.close();
});

test('followers see every line once while the log rotates', { timeout: 20_000 }, async () => {
  const log = await JsonFileLog.open(path, { maxBytes: 20_000, maxFiles: 50 });
  await fill(log, 0, 10);
  const ended = Promise.withResolvers<void>();
  const followers = [{}, { tail: 4 }, { cursor: 0 }].map((options) =>
    texts({ ...options, follow: true, until: ended.promise }),
  );
  await new Promise((resolve) => setTimeout(resolve, 20));
  await fill(log, 10, 5000);
  await log.close();
  ended.resolve();
  const [all, tail, again] = await Promise.all(followers);
  expect(readdirSync(directory).length).toBeGreaterThan(10);
  expect(all).toEqual(numbers(0, 5000));
  expect(tail).toEqual(numbers(6, 5000));
  expect(again).toEqual(all);
});

test('a follower that is overtaken by the rotation is told so', async () => {
  const log = await JsonFileLog.open(path, { maxBytes: 1000, maxFiles: 2 });
  await fill(log, 0, 1);
  const following = readJsonFileLog(path, { follow: true });
  expect((await following.next()).done).toBe(false);
  await fill(log, 1, 200);
  await expect(
    (async () => {
      for await (const _ of following);
    })(),
  ).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await log.close();
});

test('a rotation that a crash interrupted is taken back', async () => {
  const log = await JsonFileLog.open(path, { maxBytes: 1000, maxFiles: 3 });
  await fill(log, 0, 30);
  await log.close();
  // As between the link to the old file and the renaming of the new one.
  if (existsSync(`${path}.1`)) renameSync(`${path}.1`, `${path}.2`);
  linkSync(path, `${path}.1`);
  writeFileSync(`${path}.new`, 'half');
  expect((await texts()).at(-1)).toBe('29\n');
  const before = await texts();
  const again = await JsonFileLog.open(path, { maxBytes: 1000, maxFiles: 3 });
  expect(existsSync(`${path}.new`)).toBe(false);
  await fill(again, 30, 31);
  await again.close();
  expect(await texts()).toEqual([...before, '30\n']);
});

test("Docker's own rotated logs are read in their order", async () => {
  const line = (text: string): string => `{"log":"${text}\\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}\n`;
  writeFileSync(`${path}.2`, line('a') + line('b'));
  writeFileSync(`${path}.1`, line('c'));
  writeFileSync(path, line('d'));
  appendFileSync(path, line('e'));
  const all = await read();
  expect(all.map(({ text }) => text)).toEqual(['a\n', 'b\n', 'c\n', 'd\n', 'e\n']);
  expect(await texts({ cursor: all[1]?.cursor })).toEqual(['c\n', 'd\n', 'e\n']);
});
