import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { portableHost, sanitizedHost } from '../test/host-builds.ts';
import { appears, HostFixture } from '../test/host-fixture.ts';
import { attachHost } from './attach-host.ts';
import type { HostProcess } from './host-process.ts';
import { hostProgramPath } from './host-program.ts';
import { readHostStatus } from './host-status.ts';
import { isAlive, processIdentity } from './process-identity.ts';

const FOREVER = 'sleep 1000';
const leaver = fileURLToPath(new URL('../test/launch-and-leave.ts', import.meta.url));
const launcher = fileURLToPath(new URL('../test/launch-and-wait.ts', import.meta.url));

const builds = [
  { build: 'zlayer-host', program: hostProgramPath },
  { build: 'zlayer-host under the sanitizers', program: sanitizedHost },
  { build: 'zlayer-host as on other systems', program: portableHost },
];

describe.for(builds)('$build', { timeout: 30_000, concurrent: true }, ({ build, program }) => {
  const portable = build.includes('other systems');

  function fixture(): HostFixture {
    return new HostFixture(program());
  }

  function attach(made: HostFixture): Promise<HostProcess> {
    return attachHost({ statusFile: made.path('status.json'), controlSocket: made.path('control.sock') });
  }

  test('is ready when main runs, and tells who runs', async () => {
    await using made = fixture();
    const host = await made.launch(made.config(FOREVER, { helpers: [made.shell('helper', FOREVER)] }));
    const file = await readHostStatus(made.path('status.json'));
    expect(file).toMatchObject({
      version: 1,
      state: 'running',
      pid: host.pid,
      startTime: host.startTime,
      main: { name: 'main', ...host.main },
      exit: null,
      endedAt: null,
    });
    expect(processIdentity(host.pid)).toEqual({ pid: host.pid, startTime: host.startTime });
    expect(host.main && isAlive(host.main)).toBe(true);
    expect(file?.helpers.map(({ name }) => name)).toEqual(['helper']);
    expect(file?.helpers.every(isAlive)).toBe(true);
    expect(await host.status()).toEqual(file);
    expect(statSync(made.path('control.sock')).mode & 0o777).toBe(0o600);
    expect(statSync(made.path('status.json')).mode & 0o777).toBe(0o600);
    expect(statSync(made.path('host-config.json')).mode & 0o777).toBe(0o600);
    await host.stop();
    await made.gone();
  });

  test('records the exit code and the last words', async () => {
    await using made = fixture();
    const host = await made.launch(made.config('echo some; echo words >&2; exit 7'));
    const exit = await host.waitForExit();
    expect(exit).toMatchObject({ code: 7, signal: null, reason: 'exited' });
    expect(exit.message).toBe('main exited with code 7; its log ends with:\nsome\nwords');
    const file = await readHostStatus(made.path('status.json'));
    expect(file).toMatchObject({ state: 'exited', exit, pid: host.pid });
    expect(Date.parse(file?.endedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(file?.startedAt ?? ''));
    expect(existsSync(made.path('control.sock'))).toBe(false);
    expect((await (await attach(made)).exited).code).toBe(7);
    await made.gone();
  });

  test('records the signal that ended main', async () => {
    await using made = fixture();
    const host = await made.launch(made.config(FOREVER));
    await host.signal(10);
    expect(await host.waitForExit()).toMatchObject({ code: null, signal: 10, reason: 'exited' });
    await expect(host.signal(10)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('gives main the connections to its helpers and no other descriptor', async () => {
    await using made = fixture();
    const [first, second] = [made.path('a.sock'), made.path('b.sock')];
    const config = made.config('cat <&7; cat <&3; ls /proc/self/fd | tr "\\n" " "', {
      helpers: [made.server('first', first), made.server('second', second)],
      connections: [
        { path: first, descriptor: 7 },
        { path: second, descriptor: 3 },
      ],
    });
    const host = await made.launch(config);
    expect(await host.waitForExit()).toMatchObject({ code: 0, reason: 'exited' });
    // 4 is the directory that ls reads.
    expect(await made.log('main')).toBe('hello\nhello\n0 1 2 3 4 7 ');
    await made.gone();
  });

  test('names the helper that ends before it listens, with the end of its log', async () => {
    await using made = fixture();
    const helper = made.shell('broken', 'echo "no such share" >&2; exit 3');
    const connections = [{ path: made.path('never.sock'), descriptor: 5 }];
    const runDirectory = await made.runDirectory();
    const config = made.config(FOREVER, { runDirectory, helpers: [made.shell('other', FOREVER), helper], connections });
    await expect(made.launch(config)).rejects.toMatchObject({
      code: 'START_FAILED',
      message: 'broken exited with code 3 before it was ready; its log ends with:\nno such share',
    });
    expect(made.processes()).toEqual([]);
    expect(existsSync(runDirectory)).toBe(false);
    expect(existsSync(made.path('control.sock'))).toBe(false);
    const status = await readHostStatus(made.path('status.json'));
    expect(status).toMatchObject({ state: 'exited', main: null, exit: { code: null, reason: 'start-failed' } });
  });

  test('gives up on a helper that never listens', async () => {
    await using made = fixture();
    const config = made.config(FOREVER, {
      startTimeoutMs: 200,
      helpers: [made.shell('mute', FOREVER)],
      connections: [{ path: made.path('never.sock'), descriptor: 5 }],
    });
    await expect(made.launch(config)).rejects.toThrow(`nobody listens on ${made.path('never.sock')} after 200 ms`);
    expect(made.processes()).toEqual([]);
  });

  test('names a program that is missing, and starts nothing else', async () => {
    await using made = fixture();
    const runDirectory = await made.runDirectory();
    const helpers = [made.shell('helper', FOREVER)];
    const main = { name: 'vmm', argv: ['/nowhere/qemu'] };
    await expect(made.launch(made.config('', { main, helpers, runDirectory }))).rejects.toMatchObject({
      code: 'START_FAILED',
      message: 'vmm: cannot execute /nowhere/qemu: No such file or directory',
    });
    expect(made.processes()).toEqual([]);
    expect(existsSync(runDirectory)).toBe(false);
  });

  test('lets a program read a protected directory, and not write to it', async () => {
    await using made = fixture();
    const directory = made.path('image');
    await mkdir(directory);
    await writeFile(join(directory, 'file'), 'content\n');
    const script = `cat ${directory}/file; echo x > ${directory}/file; mkdir ${directory}/new; echo y > ${made.path('other')}`;
    const main = { ...made.shell('main', script), readOnlyPaths: [directory] };
    const launched = made.launch(made.config('', { main }));
    if (portable) {
      await expect(launched).rejects.toThrow('main: cannot make its paths read-only');
      return;
    }
    await (await launched).waitForExit();
    expect(await made.log('main')).toMatch(/^content\n.*Read-only file system.*\n.*Read-only file system/);
    expect(await readFile(join(directory, 'file'), 'utf8')).toBe('content\n');
    expect(await readFile(made.path('other'), 'utf8')).toBe('y\n');
    // The system's own view is as it was.
    await writeFile(join(directory, 'file'), 'changed\n');
  });

  test('names a directory that it cannot protect', async () => {
    await using made = fixture();
    const main = { ...made.shell('main', 'exit 0'), readOnlyPaths: [made.path('nowhere')] };
    await expect(made.launch(made.config('', { main }))).rejects.toThrow('main: cannot make its paths read-only');
    expect(made.processes()).toEqual([]);
  });

  test('ends the helpers that run when one of them cannot be started', async () => {
    await using made = fixture();
    const helpers = [made.shell('first', FOREVER), { name: 'second', argv: ['/nowhere/helper'] }];
    await expect(made.launch(made.config(FOREVER, { helpers }))).rejects.toThrow(
      'second: cannot execute /nowhere/helper: No such file or directory',
    );
    expect(made.processes()).toEqual([]);
  });

  test('kills main when a helper dies, and says which', async () => {
    await using made = fixture();
    const config = made.config(FOREVER, { helpers: [made.shell('share', `echo out of memory; exec ${FOREVER}`)] });
    const host = await made.launch(config);
    const [helper] = (await host.status()).helpers;
    while ((await made.log('share')) === '') await new Promise(setImmediate);
    process.kill(helper?.pid ?? 0, 'SIGKILL');
    expect(await host.waitForExit()).toEqual({
      code: null,
      signal: 9,
      reason: 'helper-died',
      message: 'share was killed by signal 9; its log ends with:\nout of memory',
    });
    await made.gone();
  });

  test('takes a helper that ends just before main for a part of an orderly end', async () => {
    await using made = fixture();
    const helpers = [made.shell('share', 'sleep 0.1')];
    const host = await made.launch(made.config('sleep 0.3; exit 0', { helpers }));
    expect(await host.waitForExit()).toMatchObject({ code: 0, reason: 'exited' });
  });

  test('does not let main run on without a helper that ended well', async () => {
    await using made = fixture();
    const host = await made.launch(made.config(FOREVER, { helpers: [made.shell('share', 'exit 0')] }));
    const exit = await host.waitForExit();
    expect(exit).toMatchObject({ signal: 9, reason: 'helper-died', message: 'share exited with code 0' });
  });

  test('stops with SIGTERM, and with SIGKILL after the grace', async () => {
    await using made = fixture();
    const polite = await made.launch(made.config(`trap 'exit 5' TERM; : > ${made.path('armed')}; ${FOREVER} & wait`));
    await appears(made.path('armed'));
    expect(await polite.stop({ graceMs: 5000 })).toMatchObject({ code: 5, reason: 'stopped' });

    await using other = fixture();
    const config = other.config(`trap '' TERM; : > ${other.path('armed')}; ${FOREVER}`);
    const stubborn = await other.launch(config);
    await appears(other.path('armed'));
    const begin = performance.now();
    expect(await stubborn.stop({ graceMs: 300 })).toMatchObject({ signal: 9, reason: 'stopped' });
    expect(performance.now() - begin).toBeGreaterThan(290);
    await other.gone();
    expect(await stubborn.stop()).toMatchObject({ signal: 9 });
  });

  test('takes SIGTERM as a stop, and ends helpers that ignore it', async () => {
    await using made = fixture();
    const ready = made.path('armed');
    const helper = made.shell('deaf', `trap '' TERM; : > ${ready}; ${FOREVER} & wait; wait`);
    const host = await made.launch(made.config(FOREVER, { helpers: [helper] }));
    await appears(ready);
    process.kill(host.pid, 'SIGTERM');
    expect(await host.waitForExit()).toMatchObject({ signal: 15, reason: 'stopped' });
    await made.gone();
  });

  test('ends what main and its helpers have left behind', async () => {
    await using made = fixture();
    const daemon = portable ? FOREVER : `setsid sh -c '${FOREVER}'`;
    const helpers = [made.shell('helper', `${daemon} & ${FOREVER}`)];
    const host = await made.launch(made.config(`${daemon} & ${daemon} & sleep 0.2; exit 0`, { helpers }));
    expect(await host.waitForExit()).toMatchObject({ code: 0, reason: 'exited' });
    await made.gone();
  });

  test('removes its run directory, and nothing that a link in it points to', async () => {
    await using made = fixture();
    const runDirectory = await made.runDirectory();
    writeFileSync(made.path('precious'), 'kept');
    symlinkSync(made.path('precious'), made.path('run/link'));
    symlinkSync('/', made.path('run/root'));
    const server = made.server('server', made.path('run/a.sock'));
    const connections = [{ path: made.path('run/a.sock'), descriptor: 4 }];
    const host = await made.launch(made.config('exit 0', { runDirectory, helpers: [server], connections }));
    await host.waitForExit();
    expect(existsSync(runDirectory)).toBe(false);
    expect(readFileSync(made.path('precious'), 'utf8')).toBe('kept');
  });

  /** Launches in a Node process of its own, which is then killed with SIGKILL. */
  async function launchAndDie(made: HostFixture, onOwnerExit: 'stop' | 'keep'): Promise<void> {
    const config = made.config(FOREVER, { onOwnerExit, helpers: [made.shell('helper', FOREVER)] });
    const owner = spawn(process.execPath, [launcher, made.program, JSON.stringify(config)], {
      env: made.env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(owner.stdout, 'data');
    owner.kill('SIGKILL');
    await once(owner, 'exit');
  }

  test('ends with an owner that was killed', async () => {
    await using made = fixture();
    await launchAndDie(made, 'stop');
    await made.gone();
    const exit = await (await attach(made)).exited;
    expect(exit).toMatchObject({ signal: 15, reason: 'owner-gone' });
  });

  test('outlives an owner that was killed if told so, and can be adopted and stopped', async () => {
    await using made = fixture();
    await launchAndDie(made, 'keep');
    const host = await attach(made);
    expect(await host.status()).toMatchObject({ state: 'running', owner: null, onOwnerExit: 'keep' });
    expect(made.processes().length).toBeGreaterThanOrEqual(3);
    await host.own({ onOwnerExit: 'stop' });
    expect(await host.status()).toMatchObject({ owner: 'connection', onOwnerExit: 'stop' });
    const rival = await attach(made);
    await expect(rival.own()).rejects.toMatchObject({ code: 'CONFLICT' });
    host.close();
    expect(await rival.waitForExit()).toMatchObject({ signal: 15, reason: 'owner-gone' });
    await made.gone();
  });

  test('does not keep a Node program alive that has nothing else to do', async () => {
    await using made = fixture();
    const config = JSON.stringify(made.config(FOREVER, { onOwnerExit: 'keep' }));
    const owner = spawn(process.execPath, [leaver, made.program, config], { env: made.env, stdio: 'inherit' });
    expect(await once(owner, 'exit')).toEqual([0, null]);
    const host = await attach(made);
    expect(await host.stop()).toMatchObject({ signal: 15, reason: 'stopped' });
    await made.gone();
  });

  test('stops when its launcher lets go, and not when a mere visitor does', async () => {
    await using made = fixture();
    const host = await made.launch(made.config(FOREVER));
    const visitor = await attach(made);
    const observer = await attach(made);
    visitor.close();
    await expect(visitor.exited).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await observer.status()).toMatchObject({ state: 'running', owner: 'launcher' });
    host.close();
    expect(await observer.waitForExit()).toMatchObject({ signal: 15, reason: 'owner-gone' });
  });

  test('takes everything with it when it is killed, and nobody takes that for a success', async () => {
    await using made = fixture();
    const config = made.config(FOREVER, { helpers: [made.shell('helper', FOREVER)] });
    const host = await made.launch(config);
    process.kill(host.pid, 'SIGKILL');
    expect(await host.waitForExit()).toMatchObject({ code: null, signal: null, reason: 'lost' });
    expect((await (await attach(made)).exited).reason).toBe('lost');
    await made.gone();
    // The socket that it could not remove does not keep the next one from starting.
    const next = await made.launch(made.config('exit 0'));
    expect(await next.waitForExit()).toMatchObject({ code: 0, reason: 'exited' });
  });

  test('leaves a host alone that has the same control socket already', async () => {
    await using made = fixture();
    const runDirectory = await made.runDirectory();
    const host = await made.launch(made.config(FOREVER, { runDirectory }));
    await expect(made.launch(made.config('exit 0', { runDirectory }))).rejects.toMatchObject({
      code: 'START_FAILED',
      message: `controlSocket: another host serves ${made.path('control.sock')}`,
    });
    expect(existsSync(runDirectory)).toBe(true);
    expect(await host.status()).toMatchObject({ state: 'running', pid: host.pid });
    expect(await readHostStatus(made.path('status.json'))).toMatchObject({ state: 'running', pid: host.pid });
    await host.stop();
  });

  test('undoes a start that is aborted', async () => {
    await using made = fixture();
    const runDirectory = await made.runDirectory();
    const config = made.config(FOREVER, {
      runDirectory,
      helpers: [made.shell('mute', `: > ${made.path('armed')}; ${FOREVER}`)],
      connections: [{ path: made.path('never.sock'), descriptor: 5 }],
    });
    const abort = new AbortController();
    const launched = made.launch(config, abort.signal);
    launched.catch(() => undefined);
    await appears(made.path('armed'));
    abort.abort(new Error('changed my mind'));
    await expect(launched).rejects.toThrow('changed my mind');
    expect(made.processes()).toEqual([]);
    expect(existsSync(runDirectory)).toBe(false);
  });

  function client(made: HostFixture): Socket {
    const socket = connect(made.path('control.sock'));
    socket.on('error', () => undefined);
    return socket.unref();
  }

  /** What the host says until it closes the connection. A client that says nothing keeps its side open. */
  async function answers(made: HostFixture, request?: string | Uint8Array): Promise<string> {
    const socket = client(made);
    if (request !== undefined) socket.end(request);
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await new Promise((resolve) => socket.once('close', resolve));
    return text;
  }

  test('refuses nonsense on its control socket, in order, and goes on', async () => {
    await using made = fixture();
    const host = await made.launch(made.config(FOREVER));
    const requests = [
      'garbage',
      '{"op":"dance"}',
      '[]',
      '{"op":"signal","signum":0}',
      '{"op":"signal","signum":"TERM"}',
      '{"op":"stop","graceMs":-1}',
      '{"op":"status","extra":1}',
      '{"op":"own","onOwnerExit":"maybe"}',
      '{"op":"status"}',
    ];
    const lines = (await answers(made, `${requests.join('\n')}\n`))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ ok, error }) => (ok ? 'ok' : error))).toEqual([
      'a value was expected',
      'op: must be status, signal, stop or own',
      'op: must be status, signal, stop or own',
      'signum: must be the number of a signal',
      'signum: must be the number of a signal',
      'graceMs: must be a number of milliseconds, at most a day',
      'the request has an unknown key',
      'onOwnerExit: must be "stop" or "keep"',
      'ok',
    ]);
    expect(await answers(made, Buffer.alloc(4096, 'x'))).toContain('the line is too long');
    // Closed on it while it writes, a client may see nothing but that.
    await answers(made, Buffer.alloc(1024 * 1024, 'x'));
    expect(await answers(made, Buffer.from([0xff, 0x00, 0x0a]))).toContain('"ok":false');
    expect(await host.status()).toMatchObject({ state: 'running' });
    await host.stop();
  });

  test('is not held up by a hundred clients that send and never read, nor grows', async () => {
    await using made = fixture();
    const host = await made.launch(made.config(FOREVER));
    const before = residentKiB(host.pid);
    const flood = `{"op":"status"}\n`.repeat(4000);
    const clients = Array.from({ length: 100 }, () => client(made).pause());
    await Promise.all(clients.map((socket) => once(socket, 'connect')));
    for (const socket of clients) socket.write(flood);
    for (let i = 0; i < 20; i += 1) expect(await host.status()).toMatchObject({ state: 'running' });
    if (build === 'zlayer-host') expect(residentKiB(host.pid) - before).toBeLessThan(8 * 1024);
    const begin = performance.now();
    await host.stop();
    expect(performance.now() - begin).toBeLessThan(1500);
  });

  test('turns the surplus of clients away and serves again when some have left', async () => {
    await using made = fixture();
    const host = await made.launch(made.config(FOREVER));
    const clients = Array.from({ length: 127 }, () => client(made));
    await Promise.all(clients.map((socket) => once(socket, 'connect')));
    // In order: the host has accepted all of them before it answers.
    await host.status();
    expect(await answers(made)).toContain('too many control connections');
    for (const socket of clients) socket.destroy();
    let answer = '';
    for (let attempt = 0; attempt < 50 && !answer.includes('"ok":true'); attempt += 1) {
      answer = await answers(made, '{"op":"status"}\n');
    }
    expect(answer).toContain('"ok":true');
    await host.stop();
  });

  test('names what is wrong in its configuration', async () => {
    await using made = fixture();
    const main = { ...made.shell('main', 'exit 0'), readOnlyPaths: [] };
    const long = `/${'x'.repeat(103)}`;
    const cases: [object, string][] = [
      [{ statusFile: 'here' }, 'statusFile: must be an absolute path'],
      [{ controlSocket: long }, 'controlSocket: longer than 103 bytes'],
      [{ onOwnerExit: 'maybe' }, 'onOwnerExit: must be "stop" or "keep"'],
      [{ stopGraceMs: 1.5 }, 'stopGraceMs: must be an integer from 0 to 86400000'],
      [{ startTimeoutMs: -1 }, 'startTimeoutMs: must be an integer from 1 to 86400000'],
      [{ version: 2 }, 'version: must be an integer from 1 to 1'],
      [{ colour: 'red' }, 'colour: unknown key'],
      [{ main: undefined }, 'main: missing'],
      [{ main: { ...main, argv: [] } }, 'main.argv: must name a program'],
      [{ main: { ...main, argv: ['sh'] } }, 'main.argv[0]: must be an absolute path'],
      [{ main: { ...main, argv: ['/bin/sh', 1] } }, 'main.argv[1]: must be a string'],
      [{ main: { ...main, name: 'a b' } }, "main.name: must be made of letters, digits, '.', '_' and '-'"],
      [{ main: { ...main, readOnlyPaths: ['here'] } }, 'main.readOnlyPaths[0]: must be an absolute path'],
      [{ main: { ...main, readOnlyPaths: Array(33).fill('/x') } }, 'main.readOnlyPaths: has more than 32 elements'],
      [{ helpers: [main, { ...main, cwd: '/' }] }, 'helpers[1].cwd: unknown key'],
      [{ helpers: Array(33).fill(main) }, 'helpers: has more than 32 elements'],
      [{ connections: [{ path: '/x', descriptor: 2 }] }, 'connections[0].descriptor: must be an integer from 3 to 127'],
      [
        {
          connections: [
            { path: '/x', descriptor: 5 },
            { path: '/y', descriptor: 5 },
          ],
        },
        'connections[1].descriptor: used twice',
      ],
    ];
    const good = {
      version: 1,
      statusFile: made.path('status.json'),
      controlSocket: made.path('control.sock'),
      onOwnerExit: 'stop',
      stopGraceMs: 0,
      startTimeoutMs: 1000,
      runDirectory: null,
      helpers: [],
      connections: [],
      main,
    };
    for (const [change, message] of cases) {
      writeFileSync(made.path('config.json'), JSON.stringify({ ...good, ...change }));
      expect(await firstLine(made, made.path('config.json'))).toEqual({ ready: false, error: message });
    }
    expect(await firstLine(made, made.path('absent.json'))).toMatchObject({ ready: false });
    writeFileSync(made.path('config.json'), '{"version":1,');
    expect(await firstLine(made, made.path('config.json'))).toMatchObject({
      error: 'configuration is not valid JSON: a string was expected at byte 13',
    });
    expect(existsSync(made.path('status.json'))).toBe(false);
  });

  async function firstLine(made: HostFixture, config: string): Promise<unknown> {
    const child = spawn(made.program, [config], { env: made.env, stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    const stream = child.stdio[3];
    let text = '';
    stream?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    await once(child, 'close');
    return JSON.parse(text);
  }
});

function residentKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

test('zlayer-host tells the same start time as this library', async () => {
  const child = spawn(hostProgramPath(), ['--identity', String(process.pid)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  expect(chunk.toString().trim()).toBe(processIdentity(process.pid)?.startTime);
});
