import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { allowingRule, explain, formatProfile, parseProfile, parseViolation, watchViolations } from '../index.ts';

const TAG = 'web-1_f3a9';
const LOG = join(import.meta.dirname, '../../test/double/log');

function entry(eventMessage: string, timestamp: unknown = '2026-03-01 12:00:00.123456+0100'): string {
  return JSON.stringify({ timestamp, eventMessage, processID: 0, senderImagePath: '/…/Sandbox' });
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

describe('a line of the log', () => {
  test.each([
    [
      'Sandbox: cat(12345) deny(1) file-read-data /private/etc/x y',
      'cat',
      12_345,
      'file-read-data',
      '/private/etc/x y',
      1,
    ],
    ['Sandbox: Gradle Worker(7) deny(1) signal', 'Gradle Worker', 7, 'signal', '', 1],
    ['3 duplicate reports for Sandbox: a(1) deny(1) mach-lookup com.apple.x', 'a', 1, 'mach-lookup', 'com.apple.x', 3],
    ['Sandbox: curl(9) deny(1) network-outbound remote:*:443', 'curl', 9, 'network-outbound', 'remote:*:443', 1],
    ['Sandbox: sh(9) deny(1) file-read-data /a\nb', 'sh', 9, 'file-read-data', '/a\nb', 1],
  ])('tells what was denied to whom: %j', (message, process, pid, operation, subject, count) => {
    const time = new Date('2026-03-01T11:00:00.123Z');
    expect(parseViolation(entry(`${message}\n${TAG}`), TAG)).toEqual({ process, pid, operation, subject, count, time });
  });

  test.each([
    ["another container's", entry('Sandbox: cat(1) deny(1) file-read-data /x\nother')],
    ['one whose path names the tag', entry(`Sandbox: cat(1) deny(1) file-read-data /x\n${TAG}\nother`)],
    ['one whose path ends with the tag', entry(`Sandbox: cat(1) deny(1) file-read-data /${TAG}`)],
    ['no denial', entry(`Sandbox: cat(1) allow file-read-data /x\n${TAG}`)],
    ['no JSON', 'Filtering the log data using "…"'],
    ['no object', 'null'],
    ['no message', '{"eventMessage":1}'],
    ['empty', ''],
  ])('is not taken for ours if it is %s', (_what, line) => {
    expect(parseViolation(line, TAG)).toBeUndefined();
  });

  test('without a time that can be read is told without one', () => {
    const message = `Sandbox: cat(1) deny(1) file-read-data /x\n${TAG}`;
    for (const time of ['yesterday', 5, '2026-99-99 12:00:00.123456+0100']) {
      expect(parseViolation(entry(message, time), TAG)).toMatchObject({ subject: '/x', time: undefined });
    }
  });
});

describe('the rule that would allow it', () => {
  const base = { rootfs: '/v/rootfs', workspace: '/v/tmp' };

  test('allows the path and no other, whatever the path holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const path = `/private/${name}`;
        const rule = allowingRule({
          process: 'x',
          pid: 1,
          operation: 'file-read-data',
          subject: path,
          count: 1,
          time: undefined,
        });
        const profile = formatProfile(base);
        const extended = { ...profile, text: `${profile.text}${rule}\n` };
        expect(explain(profile, { operation: 'file-read-data', path }).allowed).toBe(false);
        expect(explain(extended, { operation: 'file-read-data', path }).allowed).toBe(true);
        expect(explain(extended, { operation: 'file-read-data', path: '/Users/x' }).allowed).toBe(false);
        expect(parseProfile(extended.text, extended.parameters)).toHaveLength(
          parseProfile(profile.text, profile.parameters).length + 1,
        );
      }),
    );
  });

  test.each([
    ['mach-lookup', 'com.apple.x', '(allow mach-lookup (global-name "com.apple.x"))'],
    ['network-outbound', 'remote:*:443', '(allow network-outbound (remote ip "*:443"))'],
    ['network-outbound', '1.1.1.1:443', '(allow network-outbound (remote ip "*:443"))'],
    ['network-outbound', '127.0.0.1:80', '(allow network-outbound (remote ip "localhost:80"))'],
    ['network-bind', 'local:*:8080', '(allow network-bind (local ip "*:8080"))'],
    ['network-outbound', '/v/s', '(allow network-outbound (remote unix-socket (literal "/v/s")))'],
    ['signal', '', '(allow signal)'],
  ])('%s %s', (operation, subject, rule) => {
    expect(allowingRule({ process: 'x', pid: 1, operation, subject, count: 1, time: undefined })).toBe(rule);
    expect(parseProfile(`(version 1)${rule}`)).toHaveLength(1);
  });
});

describe('the log', () => {
  let folder = '';
  let file = '';

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'zlayer-violations-'));
    file = join(folder, 'lines');
    vi.stubEnv('LOG_LINES', file);
    const long = entry(`Sandbox: long(1) deny(1) file-read-data /${'x'.repeat(2 * 1024 * 1024)}\n${TAG}`);
    const lines = [
      'Filtering the log data',
      entry(`Sandbox: cat(1) deny(1) file-read-data /x\n${TAG}`),
      entry('Sandbox: cat(1) deny(1) file-read-data /x\nother'),
      long,
      entry(`Sandbox: cat(1) deny(1) file-read-data /y\n${TAG}`),
    ];
    await writeFile(file, `${lines.join('\n')}\n`);
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });

  async function logIsGone(): Promise<boolean> {
    const pid = Number(await readFile(`${file}.pid`, 'utf8').catch(() => '0'));
    if (pid === 0) return true;
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  }

  test("is followed for this container's denials, and let go of when the loop is left", async () => {
    const subjects: string[] = [];
    for await (const { subject } of watchViolations(TAG, { program: LOG })) {
      subjects.push(subject);
      if (subject === '/y') break;
    }
    expect(subjects).toEqual(['/x', '/y']);
    expect(await logIsGone()).toBe(true);
    const args = (await readFile(`${file}.arguments`, 'utf8')).trimEnd().split('\n');
    expect(args).toEqual(['stream', '--style', 'ndjson', '--predicate', expect.stringContaining(`"${TAG}"`)]);
  });

  test('is let go of on an abort, also while nothing is logged', async () => {
    const abort = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { subject } of watchViolations(TAG, { program: LOG, signal: abort.signal })) {
        seen.push(subject);
        if (subject === '/y') setImmediate(() => abort.abort(new Error('enough')));
      }
    })();
    await expect(watching).rejects.toThrow('enough');
    expect(seen).toEqual(['/x', '/y']);
    expect(await logIsGone()).toBe(true);
  });

  test('that ends by itself is an error with its own words, never the end of denials', async () => {
    vi.stubEnv('LOG_ENDS', 'log: must be admin');
    const watching = all(watchViolations(TAG, { program: LOG }));
    await expect(watching).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('must be admin'),
    });
  });

  test('where there is none is an error that says so', async () => {
    const watching = all(watchViolations(TAG, { program: '/nowhere/log' }));
    await expect(watching).rejects.toMatchObject({ code: 'UNAVAILABLE', subject: '/nowhere/log' });
  });

  test('is never asked with a tag that could change the question', async () => {
    const watching = all(watchViolations('x" OR TRUE OR "', { program: LOG }));
    await expect(watching).rejects.toMatchObject({ code: 'INVALID_SPEC', subject: 'tag' });
  });
});
