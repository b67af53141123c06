import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { portableHost, sanitizedHost } from '../test/host-builds.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'console-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Sends text to a console; returns how its keeper ended and what it said. */
async function keep(program: string, text: string, limit = 8192): Promise<{ code: number; stderr: string }> {
  const [socket, file] = [join(directory, 's'), join(directory, 'console.log')];
  rmSync(socket, { force: true });
  const child = spawn(program, ['--console', socket, file, String(limit)]);
  try {
    let stderr = '';
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    const ended = once(child, 'close');
    const sent = send(socket, text, () => child.exitCode !== null);
    const [code] = await ended;
    await sent;
    return { code, stderr };
  } finally {
    child.kill('SIGKILL');
  }
}

/** Connects as soon as somebody listens. */
async function send(path: string, text: string, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const socket = connect(path);
    const connected = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).on('error', () => resolve(false));
    });
    if (connected) {
      expect(statSync(path).mode & 0o777).toBe(0o600);
      socket.end(text);
      return;
    }
    await delay(5);
  }
}

test.each([
  ['the host program', sanitizedHost],
  ['the portable one', portableHost],
])(
  'a console keeps the newest of what a guest says, and not more than it may (%s)',
  { timeout: 60_000 },
  async (_, build) => {
    const program = build();
    const file = join(directory, 'console.log');
    expect(await keep(program, 'boot\n')).toEqual({ code: 0, stderr: '' });
    expect(await keep(program, 'again\n')).toEqual({ code: 0, stderr: '' });
    expect(readFileSync(file, 'utf8')).toBe('boot\nagain\n');
    const flood = Array.from({ length: 50_000 }, (_, i) => `line ${i}\n`).join('');
    expect(await keep(program, flood)).toEqual({ code: 0, stderr: '' });
    const kept = readFileSync(file, 'utf8');
    expect(kept.length).toBeLessThanOrEqual(8192);
    expect(kept.length).toBeGreaterThanOrEqual(4096);
    expect(flood.endsWith(kept)).toBe(true);
    expect(readdirSync(directory).sort()).toEqual(['console.log', 's']);
  },
);

test('a console that is no file of its own is refused', async () => {
  const program = sanitizedHost();
  writeFileSync(join(directory, 'precious'), 'precious');
  symlinkSync('precious', join(directory, 'console.log'));
  expect((await keep(program, 'text')).code).toBe(1);
  expect(readFileSync(join(directory, 'precious'), 'utf8')).toBe('precious');
  expect((await keep(program, 'text', 10)).code).toBe(1);
});
