import { spawn } from 'node:child_process';
import { access, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { landlockVersion } from '@zlayer/test-support';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  explain,
  formatProfile,
  generateProfile,
  type SandboxPolicy,
  type SandboxProfile,
  sandboxExecArguments,
} from '../src/index.ts';
import { buildSandboxExec } from '../test/double/build.ts';
import { TYPICAL_POLICIES } from '../test/policies.ts';

interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

let programs = '';
let sandboxExec = '';
let sanitized = '';
let folder = '';
let base: SandboxPolicy = { rootfs: '', workspace: '' };

beforeAll(async () => {
  programs = await mkdtemp(join(tmpdir(), 'zlayer-sandbox-exec-'));
  sandboxExec = await buildSandboxExec(join(programs, 'sandbox-exec'), 'plain');
  sanitized = await buildSandboxExec(join(programs, 'sandbox-exec-sanitized'), 'sanitized');
});

afterAll(async () => {
  await rm(programs, { recursive: true, force: true });
});

/** The double denies ports and signals with it. */
const NEEDED = 6;
const whyNot = landlockVersion() < NEEDED ? `this kernel's Landlock is older than version ${NEEDED}` : undefined;

beforeEach(async ({ skip }) => {
  skip(whyNot !== undefined, whyNot);
  folder = await realpath(await mkdtemp(join(tmpdir(), 'zlayer-seatbelt-')));
  base = { rootfs: join(folder, 'rootfs'), workspace: join(folder, 'tmp') };
  for (const name of ['rootfs', 'tmp', 'outside']) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'file'), `${name}\n`);
  }
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function runProfile(profile: SandboxProfile, command: readonly string[], program = sandboxExec): Promise<Result> {
  const child = spawn(program, sandboxExecArguments(profile, command), {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', ASAN_OPTIONS: 'detect_leaks=0' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}

async function run(policy: SandboxPolicy, script: string, ...args: string[]): Promise<Result> {
  return runProfile(await generateProfile(policy), ['/bin/sh', '-c', script, 'sh', ...args]);
}

/** Whether a line of Perl that makes sockets succeeds; Perl is part of every Debian. */
async function perl(policy: SandboxPolicy, line: string): Promise<Result> {
  const prelude = 'use Socket; sub tcp { socket(my $s, AF_INET, SOCK_STREAM, 0) or die "socket: $!\\n"; $s }';
  return runProfile(await generateProfile(policy), ['/usr/bin/perl', '-e', `${prelude} ${line}`]);
}

const bind = (port: number) =>
  `bind(tcp(), sockaddr_in(${port}, INADDR_LOOPBACK)) or die "bind: $!\\n"; print "bound\\n";`;
const connect = (port: number) =>
  `connect(tcp(), sockaddr_in(${port}, INADDR_LOOPBACK)) or die "connect: $!\\n"; print "connected\\n";`;

describe('files', () => {
  test('the root file system and the workspace can be read and written', async () => {
    const result = await run(base, 'cat "$1/file" && echo new > "$2/new" && cat "$2/new"', base.rootfs, base.workspace);
    expect(result).toEqual({ code: 0, stdout: 'rootfs\nnew\n', stderr: '' });
  });

  test.each([
    ['read', 'cat "$1/file"'],
    ['overwritten', 'echo x > "$1/file"'],
    ['made', 'echo x > "$1/new"'],
    ['deleted', 'rm "$1/file"'],
    ['listed', 'ls "$1"'],
    ['read by a child of a child', 'sh -c "sh -c \\"cat $1/file\\""'],
  ])('what is outside cannot be %s', async (_verb, script) => {
    const result = await run(base, script, join(folder, 'outside'));
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(/[Pp]ermission denied/);
    expect(await readFile(join(folder, 'outside', 'file'), 'utf8')).toBe('outside\n');
    await expect(access(join(folder, 'outside', 'new'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a read-only folder can be read and not written', async () => {
    const folders = [{ path: join(folder, 'outside'), access: 'read' as const }];
    const result = await run(
      { ...base, folders, tag: 'x' },
      'cat "$1/file"; echo x > "$1/file"',
      join(folder, 'outside'),
    );
    expect(result).toMatchObject({ stdout: 'outside\n', stderr: expect.stringContaining('Permission denied') });
    expect(result.code).not.toBe(0);
  });

  test('a read-only root file system is not written', async () => {
    const result = await run({ ...base, readOnlyRoot: true }, 'cat "$1/file"; echo x > "$1/new"', base.rootfs);
    expect(result).toMatchObject({ stdout: 'rootfs\n', stderr: expect.stringContaining('Permission denied') });
    await expect(access(join(base.rootfs, 'new'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a read-only folder in a writable one stays read-only, and a writable one in that is writable', async () => {
    const inner = join(base.rootfs, 'inner');
    const innermost = join(inner, 'innermost');
    await mkdir(innermost, { recursive: true });
    const folders = [
      { path: innermost, access: 'write' as const },
      { path: inner, access: 'read' as const },
    ];
    const result = await run(
      { ...base, folders },
      'echo 1 > "$1/a"; echo 2 > "$2/a"; echo 3 > "$3/a"',
      base.rootfs,
      inner,
      innermost,
    );
    expect(result.stderr).toMatch(/cannot create .*\/inner\/a/);
    await expect(access(join(inner, 'a'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readFile(join(base.rootfs, 'a'), 'utf8')).toBe('1\n');
    expect(await readFile(join(innermost, 'a'), 'utf8')).toBe('3\n');
  });

  test.each(['"', '\\', '\n', '"))(allow file-read* (subpath "/"))(x (y "', '(param "ROOTFS")', '\u202e', ';', '#"'])(
    'a folder named %j opens itself and nothing else',
    async (name) => {
      const strange = join(folder, name);
      await mkdir(strange, { recursive: true });
      await writeFile(join(strange, 'file'), 'strange\n');
      const folders = [{ path: strange, access: 'read' as const }];
      const result = await run({ ...base, folders }, 'cat "$1/file"; cat "$2/file"', strange, join(folder, 'outside'));
      expect(result).toMatchObject({ code: 1, stdout: 'strange\n', stderr: expect.stringContaining('outside') });
    },
  );

  test("without the system's programs not even a shell starts", async () => {
    const result = await run({ ...base, platformPrograms: false }, 'echo ran');
    expect(result).toMatchObject({ code: 71, stdout: '', stderr: expect.stringContaining('/bin/sh') });
  });

  test('what explain says is what happens', async () => {
    const places = [base.rootfs, base.workspace, join(folder, 'outside')];
    const profile = await generateProfile({ ...base, folders: [{ path: join(folder, 'outside'), access: 'read' }] });
    for (const place of places) {
      const path = join(place, 'file');
      for (const [operation, script] of [
        ['file-read-data', 'cat "$1"'],
        ['file-write-data', 'echo x >> "$1"'],
      ] as const) {
        const { code } = await runProfile(profile, ['/bin/sh', '-c', script, 'sh', path]);
        expect({ path, operation, allowed: code === 0 }).toEqual({
          path,
          operation,
          allowed: explain(profile, { operation, path }).allowed,
        });
      }
    }
  });
});

describe('network', () => {
  let server: Server;
  let port = 0;

  beforeEach(async () => {
    server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    port = typeof address === 'object' && address !== null ? address.port : 0;
  });

  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
  });

  /** A port that nobody holds at this moment. */
  async function freePort(): Promise<number> {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    await new Promise((resolve) => other.close(resolve));
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  test('the allowed port binds and another does not', async () => {
    const allowed = await freePort();
    const network = { mode: 'localhost' as const, bindPorts: [allowed], connectPorts: [] };
    expect(await perl({ ...base, network }, bind(allowed))).toEqual({ code: 0, stdout: 'bound\n', stderr: '' });
    const other = await perl({ ...base, network }, bind(await freePort()));
    expect(other).toMatchObject({ stdout: '', stderr: 'bind: Permission denied\n' });
  });

  test('the allowed port can be connected to and another cannot', async () => {
    const network = { mode: 'localhost' as const, bindPorts: [], connectPorts: [port] };
    expect(await perl({ ...base, network }, connect(port))).toEqual({ code: 0, stdout: 'connected\n', stderr: '' });
    const others = { ...network, connectPorts: [await freePort()] };
    expect(await perl({ ...base, network: others }, connect(port))).toMatchObject({
      stdout: '',
      stderr: 'connect: Permission denied\n',
    });
  });

  test('no network means none, also for children', async () => {
    expect(await perl(base, connect(port))).toMatchObject({ stdout: '', stderr: 'socket: Operation not permitted\n' });
    const udp = 'socket(my $s, AF_INET, SOCK_DGRAM, 0) or die "udp: $!\\n"; print "made\\n";';
    expect(await perl(base, udp)).toMatchObject({ stdout: '', stderr: 'udp: Operation not permitted\n' });
    const unix = 'socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die "unix: $!\\n"; print "made\\n";';
    expect(await perl(base, unix)).toMatchObject({ stdout: '', stderr: 'unix: Operation not permitted\n' });
    const child = `system($^X, '-MSocket', '-e', 'exit(socket(my $s, AF_INET, SOCK_STREAM, 0) ? 0 : 9)'); exit($? >> 8);`;
    expect((await perl(base, child)).code).toBe(9);
  });

  test('the full network is open', async () => {
    const network = { mode: 'full' as const };
    expect(await perl({ ...base, network }, connect(port))).toMatchObject({ code: 0, stdout: 'connected\n' });
    expect(await perl({ ...base, network }, bind(await freePort()))).toMatchObject({ code: 0, stdout: 'bound\n' });
  });
});

describe('processes', () => {
  test('a process outside cannot be signalled, and a child can', async () => {
    const result = await run(
      base,
      'sleep 60 & kill -TERM $! && echo child; kill -0 "$1" || echo denied',
      String(process.pid),
    );
    expect(result).toMatchObject({ code: 0, stdout: 'child\ndenied\n' });
  });

  test('a process under a profile cannot apply a second one', async () => {
    const folders = [{ path: programs, access: 'read' as const }];
    const profile = await generateProfile({ ...base, folders });
    const inner = [sandboxExec, ...sandboxExecArguments(profile, ['/bin/true'])];
    expect(await runProfile(profile, inner)).toMatchObject({
      code: 71,
      stderr: 'sandbox-exec: sandbox_apply: Operation not permitted\n',
    });
  });
});

describe('the double', () => {
  test.each(Object.entries(TYPICAL_POLICIES))(
    'reads the golden profile %s with its own code',
    async (_name, policy) => {
      const result = await runProfile(formatProfile(policy), ['/bin/true'], sanitized);
      expect(result.code).toBe(policy.platformPrograms === false ? 71 : 0);
    },
  );

  test.each([
    ['(version 1) (deny default', 65],
    ['(version 1) (deny default) (allow file-read* (literal "x))', 65],
    ['(version 1) (deny default) (allow file-read* (subpath (param "NOT_SET")))', 65],
    ['(version 1) (allow default)', 65],
    ['(version 1) (deny default) (allow unheard-of)', 65],
    ['(version 1) (deny default) (allow network-bind (local ip "192.0.2.1:80"))', 65],
    [`(version 1) ${'('.repeat(100)}`, 65],
    ['', 65],
    ['(version 1)', 71],
  ])('runs nothing under a profile that it cannot enforce: %j', async (profile, code) => {
    const result = await runProfile({ text: profile, parameters: {} }, ['/bin/echo', 'ran'], sanitized);
    expect(result).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(/^sandbox-exec: /) });
  });
});
