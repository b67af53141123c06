import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NodeProcess } from '../../test/node-process.ts';
import { EventJournal } from './event-journal.ts';
import type { JournalEntry } from './journal-entry.ts';

let root: string;
let directory: string;
let journal: EventJournal;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'journal-'));
  directory = join(root, 'events');
  journal = new EventJournal({ directory });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const at = (seconds: number): Date => new Date(seconds * 1000);
const entry = (event: unknown, time = new Date(), source = 'me'): JournalEntry => ({ source, time, event });

async function take(entries: AsyncIterable<JournalEntry>, count: number): Promise<unknown[]> {
  const events: unknown[] = [];
  if (count === 0) return events;
  for await (const { event } of entries) if (events.push(event) === count) break;
  return events;
}

async function all(entries: AsyncIterable<JournalEntry>): Promise<unknown[]> {
  return take(entries, Number.POSITIVE_INFINITY);
}

test('a reader has what is written from its call on, in order, and each reader has all', async () => {
  journal.append(entry('before'));
  await journal.flush();
  const readers = [journal.read(), new EventJournal({ directory }).read()];
  const taken = readers.map((reader) => take(reader, 3));
  for (const event of ['one', { two: 2 }, 'three\n']) journal.append(entry(event));
  expect(await Promise.all(taken)).toEqual(Array(2).fill(['one', { two: 2 }, 'three\n']));
  expect(statSync(directory).mode & 0o777).toBe(0o700);
});

test('what other processes write is seen as it comes, and no line is torn', { timeout: 30_000 }, async () => {
  const taken = take(journal.read(), 600);
  const writers = ['a', 'b'].map((name) => NodeProcess.start('./write-journal.ts', directory, name, '200'));
  for (let index = 0; index < 200; index += 1) journal.append(entry(['me', index]));
  const started = await Promise.all(writers);
  const events = (await taken) as [string, number][];
  for (const name of ['me', 'a', 'b']) {
    const own = events.filter(([writer]) => writer === name).map(([, index]) => index);
    expect(own).toEqual(Array.from({ length: 200 }, (_, index) => index));
  }
  await Promise.all(started.map((writer) => writer[Symbol.asyncDispose]()));
});

test('the past is there as far as it is asked for, and the reading ends when it is told to', async () => {
  for (const second of [1, 2, 3, 4]) journal.append(entry(second, at(second)));
  await journal.flush();
  expect(await all(journal.read({ since: at(2), until: at(4) }))).toEqual([2, 3]);
  const soon = new Date(Date.now() + 100);
  const reading = all(journal.read({ since: at(4), until: soon }));
  journal.append(entry('now'));
  expect(await reading).toEqual([4, 'now']);
});

test('a reading ends at its moment, also when a timer is a little early', async () => {
  for (let round = 0; round < 200; round += 1) {
    expect(await all(journal.read({ until: new Date(Date.now() + (round % 4)) }))).toEqual([]);
  }
});

test('nothing is lost or told twice when a new file is begun, and only one old one is kept', async () => {
  const small = new EventJournal({ directory, maxBytes: 1000 });
  const reading = take(small.read(), 300);
  for (let index = 0; index < 300; index += 1) {
    small.append(entry(index));
    await small.flush();
  }
  expect(await reading).toEqual(Array.from({ length: 300 }, (_, index) => index));
  expect(readdirSync(directory).sort()).toEqual(['events.1.jsonl', 'events.jsonl', 'lock']);
  // An entry of the very millisecond of `until` would be left out.
  const kept = (await all(small.read({ since: at(0), until: new Date(Date.now() + 1) }))) as number[];
  expect(kept.at(-1)).toBe(299);
  expect(kept).toEqual(kept.map((_, index) => 300 - kept.length + index));
});

test('lines that are none of ours, or too long, are passed over', async () => {
  journal.append(entry('first', at(1)));
  await journal.flush();
  const long = JSON.stringify(entry('x'.repeat(200_000)));
  const path = join(directory, 'events.jsonl');
  appendFileSync(path, `nonsense\n[]\n{"source":1}\n{"source":"a","time":"never"}\n${long}\n\xff\n`);
  journal.append(entry('y'.repeat(70_000)));
  journal.append(entry('last', at(2)));
  await journal.flush();
  expect(await all(journal.read({ since: at(0), until: at(9) }))).toEqual(['first', 'last']);
});

test('a line that is not whole yet waits for its rest', async () => {
  const reading = take(journal.read(), 1);
  const line = JSON.stringify(entry('half'));
  appendFileSync(join(directory, 'events.jsonl'), line.slice(0, 20));
  await new Promise((resolve) => setTimeout(resolve, 50));
  appendFileSync(join(directory, 'events.jsonl'), `${line.slice(20)}\n`);
  expect(await reading).toEqual(['half']);
});

test('an aborted reading ends with the reason, and one that is left holds nothing', async () => {
  const abort = new AbortController();
  const reading = all(journal.read({ signal: abort.signal }));
  abort.abort(new Error('enough'));
  await expect(reading).rejects.toThrow('enough');
  const left = journal.read()[Symbol.asyncIterator]();
  const next = left.next();
  await left.return?.();
  expect(await next).toEqual({ done: true, value: undefined });
});

test('what could not be written is told to whoever asks, and later events are written all the same', async () => {
  writeFileSync(directory, '');
  journal.append(entry('lost'));
  await expect(journal.flush()).rejects.toMatchObject({ code: 'ENOTDIR' });
  rmSync(directory);
  journal.append(entry('kept', at(1)));
  await journal.flush();
  expect(await all(journal.read({ since: at(0), until: at(2) }))).toEqual(['kept']);
});
