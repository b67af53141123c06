import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { JsonFileLog } from './json-file-log.ts';
import { type LogEntry, MAX_LOG_ENTRY_BYTES } from './log-entry.ts';
import { type ReadLogOptions, readJsonFileLog } from './read-json-file-log.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'log-'));
  path = join(directory, 'container.log');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function read(options?: ReadLogOptions): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const entry of readJsonFileLog(path, options)) entries.push(entry);
  return entries;
}

function show(entries: readonly LogEntry[]): string[] {
  return entries.map(({ stream, data }) => `${stream}: ${Buffer.from(data).toString()}`);
}

describe('writing a log', () => {
  test('makes lines that Docker would make', async () => {
    const log = await JsonFileLog.open(path);
    const time = new Date('2026-01-02T03:04:05.678Z');
    await log.write('stdout', Buffer.from('one\ntwo "quoted"\n'), { time });
    await log.write('stderr', Buffer.from('oops\n'), { time });
    expect(readFileSync(path, 'utf8').split('\n')).toEqual([
      '{"log":"one\\n","stream":"stdout","time":"2026-01-02T03:04:05.678Z"}',
      '{"log":"two \\"quoted\\"\\n","stream":"stdout","time":"2026-01-02T03:04:05.678Z"}',
      '{"log":"oops\\n","stream":"stderr","time":"2026-01-02T03:04:05.678Z"}',
      '',
    ]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await log.close();
  });

  test('joins lines and characters that chunks have divided, each stream for itself', async () => {
    const log = await JsonFileLog.open(path);
    for (const byte of Buffer.from('grün 😀\n')) {
      await log.write('stdout', Uint8Array.of(byte));
      await log.write('stderr', Uint8Array.of(byte));
    }
    await log.close();
    expect(show(await read())).toEqual(['stdout: grün 😀\n', 'stderr: grün 😀\n']);
  });

  test('divides a line beyond 16 KiB between characters, and only its last part has the newline', async () => {
    const line = `${'x'.repeat(MAX_LOG_ENTRY_BYTES - 1)}😀${'y'.repeat(MAX_LOG_ENTRY_BYTES)}`;
    const log = await JsonFileLog.open(path);
    await log.write('stdout', Buffer.from(`${line}\nshort\n`));
    await log.close();
    const entries = await read();
    expect(entries.map(({ data }) => data.length)).toEqual([
      MAX_LOG_ENTRY_BYTES - 1,
      MAX_LOG_ENTRY_BYTES,
      Buffer.byteLength('yyyy\n'),
      Buffer.byteLength('short\n'),
    ]);
    expect(Buffer.concat(entries.map(({ data }) => data)).toString()).toBe(`${line}\nshort\n`);
  });

  test('keeps a line of exactly 16 KiB whole', async () => {
    const log = await JsonFileLog.open(path);
    await log.write('stdout', Buffer.alloc(MAX_LOG_ENTRY_BYTES, 'x'));
    await log.write('stdout', Buffer.from('\n'));
    await log.close();
    expect((await read()).map(({ data }) => data.length)).toEqual([MAX_LOG_ENTRY_BYTES + 1]);
  });

  test('records bytes that are not UTF-8 as U+FFFD instead of dropping them', async () => {
    const log = await JsonFileLog.open(path);
    await log.write('stdout', Buffer.from([0x61, 0xff, 0xc3, 0x28, 0x00, 0x0a]));
    await log.write('stdout', Buffer.alloc(3 * MAX_LOG_ENTRY_BYTES, 0x80));
    await log.close();
    const entries = await read();
    expect(show(entries)[0]).toBe('stdout: a\ufffd\ufffd(\0\n');
    const rest = Buffer.concat(entries.slice(1).map(({ data }) => data)).toString();
    expect(rest).toBe('\ufffd'.repeat(3 * MAX_LOG_ENTRY_BYTES));
  });

  test('records an unfinished line when the output ends', async () => {
    const log = await JsonFileLog.open(path);
    await log.write('stdout', Buffer.from('password: '));
    expect(await read()).toEqual([]);
    await log.close();
    await log.close();
    expect(show(await read())).toEqual(['stdout: password: ']);
    await expect(log.write('stdout', Buffer.from('x'))).rejects.toMatchObject({ code: 'CONFLICT', subject: path });
  });

  test('keeps the order of writes that nobody waited for', async () => {
    const log = await JsonFileLog.open(path);
    await Promise.all(Array.from({ length: 5000 }, (_, i) => log.write('stdout', Buffer.from(`${i}\n`))));
    await log.close();
    expect(show(await read())).toEqual(Array.from({ length: 5000 }, (_, i) => `stdout: ${i}\n`));
  });

  test('loses no line but the one that a crash broke off', async () => {
    const first = await JsonFileLog.open(path);
    await first.write('stdout', Buffer.from('whole\nbroken\n'));
    await first.close();
    truncateSync(path, statSync(path).size - 10);
    expect(show(await read())).toEqual(['stdout: whole\n']);
    const second = await JsonFileLog.open(path);
    await second.write('stdout', Buffer.from('after\n'));
    await second.close();
    expect(show(await read())).toEqual(['stdout: whole\n', 'stdout: after\n']);
  });

  test('tells which log cannot be opened', async () => {
    const missing = join(directory, 'nowhere', 'container.log');
    await expect(JsonFileLog.open(missing)).rejects.toMatchObject({ code: 'NOT_FOUND', subject: missing });
    await expect(read()).rejects.toMatchObject({ code: 'NOT_FOUND', subject: path });
  });

  test('reports a full disk, and goes on when there is room again', async () => {
    const log = await JsonFileLog.open('/dev/full');
    await expect(log.write('stdout', Buffer.from('lost\n'))).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(log.write('stdout', Buffer.from('lost\n'))).rejects.toThrow('/dev/full');
    await log.close().catch(() => undefined);
  });
});

describe('reading a log', () => {
  async function fill(count: number): Promise<void> {
    const log = await JsonFileLog.open(path);
    await log.write('stdout', Buffer.from(Array.from({ length: count }, (_, i) => `${i}\n`).join('')));
    await log.close();
  }

  test('begins at the end for a tail, over any number of blocks', async () => {
    await fill(5000);
    for (const tail of [0, 1, 2, 1000, 4999, 5000, 6000]) {
      const entries = await read({ tail });
      expect(entries.length).toBe(Math.min(tail, 5000));
      if (tail > 0) expect(show(entries).at(0)).toBe(`stdout: ${Math.max(0, 5000 - tail)}\n`);
    }
  });

  test('goes on from a cursor without a gap or a repetition', async () => {
    await fill(100);
    const all = await read();
    for (const i of [0, 1, 50, 99]) {
      expect(show(await read({ cursor: all[i]?.cursor }))).toEqual(show(all.slice(i + 1)));
    }
    expect(all.at(-1)?.cursor).toBe(statSync(path).size);
  });

  test('skips what is no entry, and does not hold what has no end', async () => {
    await fill(1);
    appendFileSync(path, 'garbage\n{"log":1,"stream":"stdout","time":"2026-01-01T00:00:00Z"}\n\n[]\n');
    appendFileSync(path, '{"log":"x","stream":"stdin","time":"2026-01-01T00:00:00Z"}\n');
    appendFileSync(path, '{"log":"x","stream":"stdout","time":"yesterday"}\n');
    appendFileSync(path, `${'z'.repeat(2 * 1024 * 1024)}\n`);
    await fill(2);
    expect(show(await read())).toEqual(['stdout: 0\n', 'stdout: 0\n', 'stdout: 1\n']);
  });

  test('reads what Docker has written, nanoseconds and all', async () => {
    writeFileSync(path, '{"log":"hi\\n","stream":"stderr","time":"2026-01-02T03:04:05.678912345Z"}\n');
    const [entry] = await read();
    expect(entry).toMatchObject({ stream: 'stderr', time: new Date('2026-01-02T03:04:05.678Z') });
  });

  test('follows a growing log from the tail on, to the very last line', { timeout: 20_000 }, async () => {
    await fill(10);
    const log = await JsonFileLog.open(path);
    const ended = Promise.withResolvers<void>();
    const entries = readJsonFileLog(path, { follow: true, tail: 3, until: ended.promise });
    const followed: LogEntry[] = [];
    const first = (await entries.next()).value;
    if (first !== undefined) followed.push(first);
    const following = (async () => {
      for await (const entry of entries) followed.push(entry);
    })();
    for (let i = 10; i < 500; i += 1) {
      await log.write('stdout', Buffer.from(`${i}\n`));
      if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await log.write('stdout', Buffer.from('end'));
    await log.close();
    ended.resolve(undefined);
    const expected = Array.from({ length: 493 }, (_, i) => `stdout: ${i + 7}\n`);
    await following;
    expect(show(followed)).toEqual([...expected, 'stdout: end']);
  });

  test('shows a followed line as soon as it is written, also one that came in pieces', async () => {
    await fill(0);
    const entries = readJsonFileLog(path, { follow: true });
    const next = entries.next();
    const line = '{"log":"late\\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}\n';
    appendFileSync(path, line.slice(0, 20));
    await new Promise((resolve) => setTimeout(resolve, 20));
    appendFileSync(path, line.slice(20));
    expect(Buffer.from((await next).value?.data ?? []).toString()).toBe('late\n');
    await entries.return();
  });

  test('stops following when it is told to', async () => {
    await fill(1);
    const abort = new AbortController();
    const following = read({ follow: true, signal: abort.signal });
    setTimeout(() => abort.abort(new Error('enough')), 20);
    await expect(following).rejects.toThrow('enough');
  });

  test('finds the tail of a large log at once', { timeout: 20_000 }, async () => {
    const line = `{"log":"${'x'.repeat(1000)}\\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}\n`;
    writeFileSync(path, line.repeat(100_000));
    const begin = performance.now();
    expect((await read({ tail: 10 })).length).toBe(10);
    expect(performance.now() - begin).toBeLessThan(100);
  });
});

describe('a full disk', () => {
  const disk = join(tmpdir(), `log-disk-${process.pid}`);
  const mount = spawnSync('mount', [
    '-t',
    'tmpfs',
    '-o',
    'size=256k',
    'tmpfs',
    mkdirSync(disk, { recursive: true }) ?? disk,
  ]);
  afterAll(() => {
    if (mount.status === 0) spawnSync('umount', [disk]);
    rmdirSync(disk);
  });

  // Only root can mount a small disk.
  test.skipIf(mount.status !== 0)(
    'loses nothing that was given, and is written to again when there is room',
    async () => {
      path = join(disk, 'container.log');
      const log = await JsonFileLog.open(path, { run: 'a' });
      const lines = Buffer.from(Array.from({ length: 1000 }, (_, i) => `${i} ${'x'.repeat(50)}\n`).join(''));
      writeFileSync(join(disk, 'other'), Buffer.alloc(200_000));
      const before = log.offset;
      await expect(log.write('stdout', lines, { offset: 0 })).rejects.toMatchObject({
        code: 'INTERNAL',
        subject: path,
      });
      expect(log.offset).toBe(before);
      expect(await read()).toEqual([]);
      rmSync(join(disk, 'other'));
      expect(await log.flush()).toBe(lines.length);
      await log.write('stdout', Buffer.from('after\n'), { offset: lines.length });
      await log.close();
      const text = Buffer.concat((await read()).map(({ data }) => data)).toString();
      expect(text).toBe(`${lines}after\n`);
    },
  );
});
