import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ARCHITECTURES } from '@zlayer/runtime-core';
import { encodeFrame } from '@zlayer/vzagent-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileStatic } from '../build/toolchain.ts';
import { agentPath, type Guest, resolveGuest } from '../src/index.ts';
import type { Outcome } from './testing/agent-connection.ts';
import { makeContainerRoot } from './testing/container-root.ts';
import { Machine } from './testing/machine.ts';
import { testProtocol } from './testing/protocol-suite.ts';
import { finish, SHARE_ROOT, startSpec } from './testing/start-spec.ts';

const ENOSYS = 38;
const EAFNOSUPPORT = 97;
const EPERM = 1;
const EACCES = 13;
const MIB = 1024 * 1024;
const CAP_SYS_PTRACE = 19n;
const PT_LOAD = 1;
const PF_W = 2;

describe.each(ARCHITECTURES)('a guest on %s', (architecture) => {
  let folder: string;
  let guest: Guest;
  let machine: Machine;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-root-'));
    const rootfs = join(folder, 'rootfs');
    await makeContainerRoot(rootfs, architecture);
    const sources = join(import.meta.dirname, 'testing');
    await compileStatic(architecture, ['probe.c'], sources, join(rootfs, 'bin/probe'));
    const other = architecture === 'amd64' ? 'arm64' : 'amd64';
    await compileStatic(other, ['probe.c'], sources, join(rootfs, 'bin/foreign'));
    const shared = join(folder, 'shared');
    await mkdir(shared);
    await writeFile(join(shared, 'greeting'), 'from the host\n');
    guest = await resolveGuest({ architecture });
    machine = await Machine.boot({
      architecture,
      kernel: guest.kernel,
      initramfs: guest.initramfs,
      rootfs,
      share: { tag: 'shared', path: shared },
    });
  });

  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  type RunFields = Parameters<Awaited<ReturnType<Machine['connect']>>['run']>[1];

  async function run(argv: readonly string[], fields: RunFields = {}): Promise<Outcome> {
    await using connection = await machine.connect();
    connection.run(argv, fields);
    connection.send({ type: 'StdinEof' });
    return await connection.outcome();
  }

  const shell = (script: string, fields: RunFields = {}) => run(['/bin/sh', '-c', script], fields);

  it('runs a program and reports its output, then its exit', async () => {
    const outcome = await run(['echo', 'hello from the guest']);
    expect(outcome).toMatchObject({ stdout: 'hello from the guest\n', stderr: '', code: 0, error: undefined });
    expect(outcome.order).toEqual(['Started', 'Stdout', 'Exited']);
    expect(outcome.pid).toBeGreaterThan(1);
  });

  it('passes the exit code on', async () => {
    expect(await shell('exit 7')).toMatchObject({ code: 7, started: true });
  });

  it('keeps stdout and stderr apart and complete', async () => {
    const outcome = await shell('echo one; echo two >&2; echo three; echo four >&2');
    expect(outcome).toMatchObject({ stdout: 'one\nthree\n', stderr: 'two\nfour\n', code: 0 });
    expect(outcome.order.at(-1)).toBe('Exited');
  });

  it('delivers a signal that arrives on another connection', async () => {
    await using running = await machine.connect();
    await using control = await machine.connect();
    running.run(['sleep', '100']);
    expect((await running.next())?.type).toBe('Started');
    control.send({ type: 'Signal', signum: 15 });
    expect(await running.outcome()).toMatchObject({ code: 128 + 15 });
  });

  it('kills, stops and continues a workload, because signals reach it and not its init', async () => {
    await using connection = await machine.connect();
    connection.run(['/bin/sh', '-c', 'while sleep 0.05; do echo tick; done']);
    expect((await connection.next())?.type).toBe('Started');
    expect((await connection.next())?.type).toBe('Stdout');
    connection.send({ type: 'Signal', signum: 19 });
    await using other = await machine.connect();
    other.run(['true']);
    expect(await other.next()).toMatchObject({ type: 'Error', message: 'Run: a workload is running already' });
    connection.send({ type: 'Signal', signum: 18 });
    connection.send({ type: 'Signal', signum: 9 });
    expect(await connection.outcome()).toMatchObject({ code: 128 + 9 });
  });

  it('answers a signal that does not exist with an error and does nothing else', async () => {
    await using connection = await machine.connect();
    connection.run(['cat']);
    expect((await connection.next())?.type).toBe('Started');
    for (const signum of [0, -1, 65, 2 ** 31 - 1]) {
      connection.send({ type: 'Signal', signum });
      expect(await connection.next()).toMatchObject({ type: 'Error', message: expect.stringContaining(`${signum}`) });
    }
    connection.send({ type: 'StdinEof' });
    expect(await connection.outcome()).toMatchObject({ code: 0, error: undefined });
  });

  it('says precisely why a program cannot run, and never that it started', async () => {
    const failures: [string[], string | RegExp][] = [
      [['no-such-program'], 'exec "no-such-program": not found in PATH (/usr/local/bin:/bin)'],
      [['/no/such/program'], 'exec "/no/such/program": not found'],
      [['not-executable'], 'exec "/bin/not-executable": permission denied: not executable'],
      [['/etc'], 'exec "/etc": permission denied: it is a directory'],
      [['no-interpreter'], 'exec "/bin/no-interpreter": the interpreter or loader that it names is not found'],
      [['no-format'], 'exec "/bin/no-format": exec format error: neither a program nor a script with a #! line'],
      [['foreign'], 'exec "/bin/foreign": exec format error: a program for another architecture'],
      [[''], 'exec "": argv[0] is empty'],
      [[], 'Run: argv is empty: there is nothing to run'],
    ];
    for (const [argv, error] of failures) {
      const outcome = await run(argv, { env: [['PATH', '/usr/local/bin:/bin']] });
      expect(outcome).toMatchObject({ error, started: false, code: undefined });
    }
  });

  it('refuses what the kernel would misread', async () => {
    expect(await run(['echo', 'a\0b'])).toMatchObject({ error: 'Run: argv has a string with a NUL byte' });
    expect(await run(['true'], { env: [['A=B', 'c']] })).toMatchObject({ error: expect.stringContaining('a name') });
    expect(await run(['true'], { uid: 0xffff_ffff })).toMatchObject({ error: expect.stringContaining('uid') });
    expect(await run(['true'], { cwd: 'relative' })).toMatchObject({ error: expect.stringContaining('absolute') });
    expect(await run(['true'], { cwd: '/etc/passwd' })).toMatchObject({
      error: expect.stringContaining('/etc/passwd'),
    });
  });

  it('gives the program its environment, user, group and working directory', async () => {
    const script = 'id -u; id -g; id -G; pwd; echo "$GREETING"; umask; echo $PATH';
    const outcome = await shell(script, {
      env: [
        ['GREETING', 'grüße'],
        ['PATH', '/bin'],
      ],
      uid: 1234,
      gid: 5678,
      cwd: '/tmp',
    });
    expect(outcome.stdout).toBe('1234\n5678\n5678\n/tmp\ngrüße\n0022\n/bin\n');
  });

  it('makes a missing working directory, the user’s own', async () => {
    const outcome = await shell('touch here && stat -c %u:%g . ..', { cwd: '/srv/app/data', uid: 1000, gid: 1001 });
    expect(outcome).toMatchObject({ stdout: '1000:1001\n1000:1001\n', code: 0 });
  });

  it('feeds stdin to the workload, more than any buffer holds, and ends it', async () => {
    await using connection = await machine.connect();
    const data = Buffer.alloc(3 * MIB, 'zlayer ');
    connection.run(['/bin/sh', '-c', 'sleep 0.3; sha256sum; cat']);
    for (let at = 0; at < data.length; at += MIB) {
      connection.send({ type: 'Stdin', data: data.subarray(at, at + MIB) });
    }
    connection.send({ type: 'StdinEof' });
    const { stdout, code } = await connection.outcome();
    expect({ stdout, code }).toEqual({
      stdout: `${createHash('sha256').update(data).digest('hex')}  -\n`,
      code: 0,
    });
  });

  it('loses no byte of 64 MiB of output when the host pauses in between', async () => {
    const length = 64 * MIB;
    await using connection = await machine.connect();
    connection.run(['/bin/sh', '-c', `yes 0123456789abcde | head -c ${length}; echo done >&2`]);
    const digest = createHash('sha256');
    let received = 0;
    let errors = '';
    let pauses = 0;
    for (let message = await connection.next(); message?.type !== 'Exited'; message = await connection.next()) {
      if (message === undefined || message.type === 'Error') throw new Error(`ended early: ${JSON.stringify(message)}`);
      if (message.type === 'Stderr') errors += Buffer.from(message.data).toString();
      if (message.type !== 'Stdout') continue;
      digest.update(message.data);
      received += message.data.length;
      if (received > (pauses + 1) * 16 * MIB) {
        pauses++;
        await delay(400);
      }
    }
    const expected = createHash('sha256')
      .update('0123456789abcde\n'.repeat(length / 16))
      .digest('hex');
    expect({ received, digest: digest.digest('hex'), errors }).toEqual({
      received: length,
      digest: expected,
      errors: 'done\n',
    });
    expect(pauses).toBeGreaterThanOrEqual(3);
  });

  it('reaps orphans, and nothing outlives the workload', async () => {
    const orphans = await shell(`
      for i in 1 2 3 4 5; do (sleep 0.05 &) ; done; sleep 0.5
      grep -c '^State:.Z' /proc/[0-9]*/status | grep -c ':1$'; exit 3`);
    expect(orphans).toMatchObject({ stdout: '0\n', code: 3 });
    const began = performance.now();
    const abandoned = await shell('(setsid sleep 1000 &) ; echo started');
    expect(abandoned).toMatchObject({ stdout: 'started\n', code: 0 });
    // It holds the workload's stdout, so the exit is reported only because it was ended.
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('shows the container its own processes only, with an init as the first', async () => {
    const outcome = await shell('ps -o pid,comm; cat /proc/1/comm; echo $$; readlink /proc/1/exe || echo hidden');
    const lines = outcome.stdout.trim().split('\n');
    expect(lines.slice(0, 3).map((line) => line.trim().split(/\s+/))).toEqual([
      ['PID', 'COMMAND'],
      ['1', 'init'],
      ['2', 'sh'],
    ]);
    expect(outcome.stdout).not.toMatch(/vzagent|kthreadd/);
    expect(lines.slice(-3)).toEqual(['init', '2', 'hidden']);
  });

  it('forwards what is sent to PID 1 to the workload', async () => {
    const outcome = await shell('trap "echo got it; exit 5" USR1; kill -USR1 1; while :; do sleep 0.05; done');
    expect(outcome).toMatchObject({ stdout: 'got it\n', code: 5 });
  });

  it('hands no descriptor of the agent to the workload', async () => {
    const outcome = await shell(
      'exec 3</proc/self/fd; ls /proc/self/fd | tr "\\n" " "; ls -l /proc/$$/fd | grep -c socket',
    );
    expect(outcome.stdout.split('\n')[0]).toMatch(/^0 1 2 3 (4 )?0?$/);
  });

  it('denies the container’s root what would lead out of the container', async () => {
    const { stdout } = await run(['probe']);
    const results = Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(' ')),
    ) as Record<string, string>;
    const numbers = Object.fromEntries(Object.entries(results).map(([name, error]) => [name, Number(error)]));
    expect(numbers).toMatchObject({
      vsock: EAFNOSUPPORT,
      'vsock-datagram': EAFNOSUPPORT,
      inet: 0,
      unix: 0,
      io_uring: ENOSYS,
      clone3: ENOSYS,
      'unshare-user': EPERM,
      'clone-user': EPERM,
      mknod: EPERM,
      mount: EPERM,
      remount: EPERM,
      umount: EPERM,
      'chroot-escape': EACCES,
      'ptrace-init': EPERM,
      'init-memory': EACCES,
      'kernel-memory': 0,
    });
    if (architecture === 'amd64') {
      expect(numbers).toMatchObject({ 'vsock-32': EAFNOSUPPORT, 'inet-32': 0, 'socketcall-32': ENOSYS, x32: ENOSYS });
    }
  });

  it('keeps the kernel’s files read-only or hidden', async () => {
    const outcome = await shell(`
      for file in /proc/sys/kernel/panic /proc/irq/default_smp_affinity /sys/fs/cgroup/cgroup.procs; do
        (echo 1 > $file) 2>/dev/null && echo "wrote $file"
      done
      cat /proc/keys /proc/timer_list | wc -c; ls /sys/firmware | wc -l
      cat /proc/self/cgroup /proc/self/oom_score_adj; grep CapEff /proc/self/status | cut -f2`);
    expect(outcome.stdout).toBe('0\n0\n0::/\n0\n00000000a00425fb\n');
  });

  it('has the agent’s tables of pointers where nothing can be written any more', async () => {
    // The container's init is a copy of the agent, with its mappings; who may trace it may see them.
    const [tables, data] = await writableSegments(agentPath(architecture));
    const traces = startSpec({ argv: ['cat', '/proc/1/maps'], root: SHARE_ROOT, capabilities: 1n << CAP_SYS_PTRACE });
    const { stdout } = await finish(await machine.client().start(traces));
    const mapped = stdout.split('\n').flatMap((line) => {
      const [, start, end, access] = /^([0-9a-f]+)-([0-9a-f]+) (\S+) /.exec(line) ?? [];
      return access === undefined ? [] : [{ start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), access }];
    });
    const base = mapped.find(({ access }) => access === 'r-xp')?.start ?? 0n;
    const accessAt = (address: bigint) =>
      mapped.find(({ start, end }) => base + address >= start && base + address < end)?.access;
    expect(accessAt(tables.start)).toBe('r--p');
    expect(accessAt(tables.end - 1n)).toBe('r--p');
    expect(accessAt(data.start)).toBe('rw-p');
    expect(mapped.filter(({ access }) => access.includes('w') && access.includes('x'))).toEqual([]);
  });

  it('leaves a user without any capability', async () => {
    const outcome = await shell('grep -E "Cap(Inh|Prm|Eff|Amb)" /proc/self/status | cut -f2', { uid: 1000, gid: 1000 });
    expect(outcome.stdout).toBe('0000000000000000\n'.repeat(4));
  });

  it('has the devices that programs expect', async () => {
    const outcome = await shell(
      `set -e; cd /dev; for name in null zero full random urandom tty; do stat -c '%n %F %a' $name; done
       for link in fd stdin stdout stderr ptmx; do readlink $link; done
       head -c 3 zero | od -An -tx1; head -c 16 urandom | wc -c; echo out > /dev/stdout; echo err > /dev/stderr
       echo x > /dev/shm/file; stat -c %a /dev/shm; ls -d /dev/mqueue /dev/pts/ptmx`,
      { uid: 1000, gid: 1000 },
    );
    const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
    expect(outcome).toMatchObject({ stderr: 'err\n', code: 0 });
    expect(outcome.stdout.split('\n')).toEqual([
      ...devices.map((name) => `${name} character special file 666`),
      ...['/proc/self/fd', '/proc/self/fd/0', '/proc/self/fd/1', '/proc/self/fd/2', 'pts/ptmx'],
      ...[' 00 00 00', '16', 'out', '1777', '/dev/mqueue', '/dev/pts/ptmx', ''],
    ]);
  });

  it('lets the container write without changing the image', async () => {
    expect(await shell('echo changed > /bin/no-format && cat /bin/no-format')).toMatchObject({
      stdout: 'changed\n',
      code: 0,
    });
    expect(await readFile(join(folder, 'rootfs/bin/no-format'), 'utf8')).toMatch(/^echo/);
  });

  it('mounts a share before the workload runs, read-only when asked', async () => {
    await using connection = await machine.connect();
    connection.send({ type: 'Mount', tag: 'shared', target: '/mnt/shared', readonly: true });
    connection.run(['/bin/sh', '-c', 'cat /mnt/shared/greeting; touch /mnt/shared/new 2>/dev/null || echo read-only']);
    expect(await connection.outcome()).toMatchObject({ stdout: 'from the host\nread-only\n', code: 0 });
  });

  it('does not run a workload whose mount fails', async () => {
    await using connection = await machine.connect();
    connection.send({ type: 'Mount', tag: 'unknown', target: '/mnt', readonly: true });
    connection.run(['true']);
    expect(await connection.outcome()).toMatchObject({ started: false, error: expect.stringContaining('unknown') });
    expect(await run(['true'])).toMatchObject({ code: 0 });
  });

  it('sets the guest’s clock from the host', async () => {
    expect(Math.abs(Number((await shell('date +%s')).stdout) - Date.now() / 1000)).toBeLessThan(5);
    await using connection = await machine.connect();
    connection.send({ type: 'SetTime', unixSecs: 2_000_000_000n });
    connection.run(['date', '+%Y']);
    expect(await connection.outcome()).toMatchObject({ stdout: '2033\n' });
    connection.send({ type: 'SetTime', unixSecs: BigInt(Math.floor(Date.now() / 1000)) });
  });

  it('executes a second program in the workload’s container, for a host of tags 1 to 14', async () => {
    await using workload = await machine.connect();
    workload.run(['/bin/sh', '-c', 'echo from the workload > /tmp/file; echo ready; exec sleep 100']);
    expect((await workload.next())?.type).toBe('Started');
    expect((await workload.next())?.type).toBe('Stdout');
    await using exec = await machine.connect();
    const script = 'cat /tmp/file; id -u; id -g; echo $HOME $USER; pwd; echo oops >&2; exit 5';
    exec.send({
      ...{ type: 'Exec', argv: ['/bin/sh', '-c', script], env: [], cwd: '/made/by/exec' },
      ...{ uid: null, gid: null, user: 'root' },
    });
    const outcome = await exec.outcome();
    expect(outcome).toMatchObject({ started: true, stderr: 'oops\n', code: 5 });
    expect(outcome.stdout).toBe('from the workload\n0\n0\n/root root\n/made/by/exec\n');
    exec.send({ type: 'Exec', argv: ['true'], env: [], cwd: null, uid: null, gid: null, user: 'nobody-here' });
    expect(await exec.outcome()).toMatchObject({ error: expect.stringContaining('nobody-here') });
    exec.send({ type: 'Signal', signum: 9 });
    expect(await workload.outcome()).toMatchObject({ code: 128 + 9 });
    exec.send({ type: 'Exec', argv: ['true'], env: [], cwd: null, uid: null, gid: null, user: null });
    expect(await exec.outcome()).toMatchObject({ error: 'Exec: no workload is running' });
  });

  it('ends a connection with malformed frames, and no other', async () => {
    await using running = await machine.connect();
    running.run(['cat']);
    expect(await running.next()).toMatchObject({ type: 'Started' });
    const malformed = {
      'empty frame': [0, 0, 0, 0],
      'longer than 16 MiB': [1, 0, 0, 1, 1],
      'unknown tag': [2, 0, 0, 0, 120, 120],
      disagrees: [2, 0, 0, 0, 12, 3],
      'ends early': [3, 0, 0, 0, 3, 2, 0x80],
      'left over': [3, 0, 0, 0, 12, 11, 0],
    };
    for (const [reason, bytes] of Object.entries(malformed)) {
      await using connection = await machine.connect();
      connection.socket.write(Uint8Array.from(bytes));
      expect(await connection.next()).toMatchObject({ type: 'Error', message: expect.stringContaining(reason) });
      expect(await connection.next()).toBeUndefined();
    }
    running.send({ type: 'Stdin', data: Buffer.from('still here') });
    running.send({ type: 'StdinEof' });
    expect(await running.outcome()).toMatchObject({ stdout: 'still here', code: 0 });
  });

  it('serves hundreds of connections at once', async () => {
    const connections = await Promise.all(Array.from({ length: 300 }, () => machine.connect()));
    try {
      for (const connection of connections) connection.send({ type: 'Signal', signum: 0 });
      const answers = await Promise.all(connections.map((connection) => connection.next()));
      expect(answers.every((answer) => answer?.type === 'Error')).toBe(true);
    } finally {
      for (const connection of connections) await connection[Symbol.asyncDispose]();
    }
  });

  it('takes frames in pieces', async () => {
    await using connection = await machine.connect();
    const frame = encodeFrame({ type: 'Run', argv: ['echo', 'pieces'], env: [], cwd: null, uid: 0, gid: 0 });
    for (const byte of frame) {
      connection.socket.write(Uint8Array.of(byte));
      await delay(1);
    }
    expect(await connection.outcome()).toMatchObject({ stdout: 'pieces\n', code: 0 });
  });

  it('lets a workload go on whose connection is lost, and is free again after it', async () => {
    const connection = await machine.connect();
    connection.run(['/bin/sh', '-c', 'echo before; sleep 0.5; echo after']);
    expect((await connection.next())?.type).toBe('Started');
    await connection[Symbol.asyncDispose]();
    const busy = await run(['true']);
    expect(busy).toMatchObject({ error: 'Run: a workload is running already' });
    await delay(1500);
    expect(await run(['true'])).toMatchObject({ code: 0 });
  });

  describe('on the one protocol', () => {
    testProtocol(() => ({ connect: () => machine.connect(), executions: 4, bulk: 16 * MIB }));

    it('has powered off', async () => {
      expect(await machine.exited).toBe(0);
    });
  });
});

/** Where the program asks to be loaded writable, in the order of its file: first what is sealed, then the rest. */
async function writableSegments(program: string): Promise<[sealed: Segment, data: Segment]> {
  const elf = await readFile(program);
  const headers = Number(elf.readBigUInt64LE(32));
  const segments = Array.from({ length: elf.readUInt16LE(56) }, (_, index) => {
    const header = elf.subarray(headers + index * 56);
    const start = header.readBigUInt64LE(16);
    const kind = header.readUInt32LE(0);
    return { kind, flags: header.readUInt32LE(4), start, end: start + header.readBigUInt64LE(40) };
  });
  const [sealed, data, ...others] = segments.filter(({ kind, flags }) => kind === PT_LOAD && (flags & PF_W) !== 0);
  if (sealed === undefined || data === undefined || others.length > 0) throw new Error('not the layout of agent.ld');
  return [sealed, data];
}

interface Segment {
  /** Addresses as in the program's file: from where it is loaded. */
  start: bigint;
  end: bigint;
}
