/**
 * Checks on a real Mac whether its Seatbelt takes our profiles and denies what they say: `npm run verify:seatbelt`, which
 * ends in a table to report. An argument names another `sandbox-exec`: the double, on Linux.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  generateProfile,
  type SandboxPolicy,
  sandboxExecArguments,
  seatbeltAvailability,
  watchViolations,
} from '@zlayer/seatbelt';
import { checks, type Step } from '../verify-macos/checks.ts';

const [, , sandboxExec = '/usr/bin/sandbox-exec'] = process.argv;
const TIMEOUT_MS = 20_000;
const TAG = `verify_${process.pid}`;

const folder = await realpath(await mkdtemp(join(tmpdir(), 'zlayer-verify-')));
const outside = join(folder, 'outside');
const base: SandboxPolicy = { rootfs: join(folder, 'rootfs'), workspace: join(folder, 'tmp'), tag: TAG };
for (const path of [outside, base.rootfs, base.workspace]) {
  await mkdir(path);
  await writeFile(join(path, 'file'), 'content\n');
}

interface Result {
  code: number | string | null;
  stdout: string;
  stderr: string;
}

async function run(policy: SandboxPolicy, command: readonly string[]): Promise<Result> {
  const args = sandboxExecArguments(await generateProfile(policy), command);
  return new Promise((resolve) => {
    const options = { cwd: '/', env: { PATH: '/usr/bin:/bin' }, timeout: TIMEOUT_MS };
    execFile(sandboxExec, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : (error.code ?? error.signal ?? null);
      resolve({ code, stdout, stderr });
    });
  });
}

const shell = (policy: SandboxPolicy, script: string, ...args: string[]): Promise<Result> =>
  run(policy, ['/bin/sh', '-c', script, 'sh', ...args]);

function allowed({ code, stdout, stderr }: Result, expected = ''): string {
  if (code !== 0 || !stdout.includes(expected)) throw new Error(`ended with ${code}: ${stdout}${stderr}`);
  return stdout.trim();
}

/** A denial is the workload's failure, not one of `sandbox-exec` to start it. */
function denied({ code, stdout, stderr }: Result): string {
  if (code === 0) throw new Error(`was allowed: ${stdout}`);
  if (stderr.startsWith('sandbox-exec:') || !/denied|not permitted|Read-only file system/.test(stderr))
    throw new Error(stderr);
  return stderr.trim();
}

const perl = (policy: SandboxPolicy, call: string, port: number): Promise<Result> => {
  const socket = 'use Socket; socket(my $s, AF_INET, SOCK_STREAM, 0) or die "$!\\n";';
  const use = `${call}($s, sockaddr_in(${port}, INADDR_LOOPBACK)) or die "$!\\n"; print "done\\n";`;
  return run(policy, ['/usr/bin/perl', '-e', `${socket} ${use}`]);
};

async function listening(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
  return { server, port: address.port };
}

async function withServer(check: (port: number) => Promise<string>): Promise<string> {
  const { server, port } = await listening();
  try {
    return await check(port);
  } finally {
    server.close();
  }
}

async function freePort(): Promise<number> {
  const { server, port } = await listening();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const localhost = (bindPorts: number[], connectPorts: number[]): SandboxPolicy => ({
  ...base,
  network: { mode: 'localhost', bindPorts, connectPorts },
});

const file = (path: string): string => join(path, 'file');

const steps: Step[] = [
  ['system', async () => `${process.platform} ${release()}, ${process.arch}, Node ${process.versions.node}`],
  [
    'available',
    async () => {
      const { available, ...why } = await seatbeltAvailability({ program: sandboxExec });
      if (!available) throw new Error(JSON.stringify(why));
      return 'a profile is applied';
    },
  ],
  ['a program runs', async () => allowed(await shell(base, 'echo ran'), 'ran')],
  ['its own files are read', async () => allowed(await shell(base, 'cat "$1"', file(base.rootfs)), 'content')],
  ['its own files are written', async () => allowed(await shell(base, 'echo x > "$1"', file(base.workspace)))],
  ['others are not read', async () => denied(await shell(base, 'cat "$1"', file(outside)))],
  ['others are not written', async () => denied(await shell(base, 'echo x > "$1"', join(outside, 'new')))],
  [
    'a read-only folder is read',
    async () => {
      const folders = [{ path: outside, access: 'read' as const }];
      return allowed(await shell({ ...base, folders }, 'cat "$1"', file(outside)), 'content');
    },
  ],
  [
    'one in a writable folder is not written',
    async () => {
      const inner = join(base.rootfs, 'inner');
      await mkdir(inner);
      const folders = [{ path: inner, access: 'read' as const }];
      return denied(await shell({ ...base, folders }, 'echo x > "$1"', file(inner)));
    },
  ],
  [
    'a path with quotes opens itself alone',
    async () => {
      const strange = join(folder, 'a "b" (c) \\ d');
      await mkdir(strange);
      await writeFile(file(strange), 'content\n');
      const policy = { ...base, folders: [{ path: strange, access: 'read' as const }] };
      denied(await shell(policy, 'cat "$1"', file(outside)));
      return allowed(await shell(policy, 'cat "$1"', file(strange)), 'content');
    },
  ],
  ['no network means none', () => withServer(async (port) => denied(await perl(base, 'connect', port)))],
  [
    'an allowed port is connected to',
    () => withServer(async (port) => allowed(await perl(localhost([], [port]), 'connect', port), 'done')),
  ],
  [
    'another port is not',
    () => withServer(async (port) => denied(await perl(localhost([], [await freePort()]), 'connect', port))),
  ],
  [
    'an allowed port is bound',
    async () => {
      const port = await freePort();
      return allowed(await perl(localhost([port], []), 'bind', port), 'done');
    },
  ],
  [
    'another port is not bound',
    async () => denied(await perl(localhost([await freePort()], []), 'bind', await freePort())),
  ],
  ['the full network is open', () => withServer(async (port) => allowed(await perl(open(), 'connect', port), 'done'))],
  [
    'the profile for metal is taken',
    async () => allowed(await shell({ ...base, gpu: 'metal' }, 'echo taken'), 'taken'),
  ],
  ['the profile for mps is taken', async () => allowed(await shell({ ...base, gpu: 'mps' }, 'echo taken'), 'taken')],
  [
    'Unix sockets are taken',
    async () => {
      const unixSockets = [{ path: join(base.workspace, 's'), access: 'listen' as const }];
      return allowed(await shell({ ...base, unixSockets }, 'echo taken'), 'taken');
    },
  ],
  [
    'denials are in the log',
    async () => {
      if (process.platform !== 'darwin') return 'not tried: this is no Mac';
      const ask = setInterval(() => void shell(base, 'cat "$1"', file(outside)), 1000);
      try {
        const signal = AbortSignal.timeout(TIMEOUT_MS);
        for await (const { process: name, operation, subject } of watchViolations(TAG, { signal })) {
          if (subject === file(outside)) return `${name} ${operation}`;
        }
        throw new Error('the log ended');
      } finally {
        clearInterval(ask);
      }
    },
  ],
];

function open(): SandboxPolicy {
  return { ...base, network: { mode: 'full' } };
}

try {
  const failed = await checks(steps, (line) => process.stdout.write(`${line}\n`));
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
