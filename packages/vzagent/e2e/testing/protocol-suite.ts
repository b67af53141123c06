import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Message } from '@zlayer/vzagent-proto';
import { afterEach, expect, it } from 'vitest';
import type { AgentConnection } from './agent-connection.ts';
import {
  CAPABILITIES,
  collect,
  type ExecuteFields,
  executeOf,
  type Ran,
  type StartFields,
  startOf,
} from './container.ts';

/** An agent somewhere, with a share `rootfs` that holds a container's root. */
export interface Host {
  connect(): Promise<AgentConnection>;
  /** Why limits cannot be tested there; absent when they can. */
  withoutLimits?: string;
  /** How many programs each of eight clients executes. */
  executions: number;
  /** What a bulk of output is, in bytes. */
  bulk: number;
}

const MIB = 1024 * 1024;
const sleeper = ['sleep', '1000'];
const shell = (script: string) => ['/bin/sh', '-c', script];

/** What any agent has to do about processes, wherever it runs. The last of its tests ends the agent. */
export function testProtocol(host: () => Host): void {
  async function run(argv: readonly string[], fields: StartFields = {}): Promise<Ran> {
    await using connection = await host().connect();
    await connection.ask(startOf(argv, fields), 'ProcessStarted');
    return await collect(connection);
  }

  async function execute(argv: readonly string[], fields: ExecuteFields = {}): Promise<Ran> {
    await using connection = await host().connect();
    await connection.ask(executeOf(argv, fields), 'ProcessStarted');
    return await collect(connection);
  }

  async function ask<T extends Message['type']>(message: Message, answer: T) {
    await using connection = await host().connect();
    return await connection.ask(message, answer);
  }

  /** Runs `body` while a workload runs, and ends it. */
  async function beside(
    argv: readonly string[],
    fields: StartFields,
    body: (workload: AgentConnection) => Promise<void>,
  ) {
    await using connection = await host().connect();
    await connection.ask(startOf(argv, fields), 'ProcessStarted');
    try {
      await body(connection);
    } finally {
      await endWorkload();
    }
  }

  /** The command lines of the container's processes but its init, in the order of their numbers. */
  async function commands(): Promise<string[]> {
    const { processes } = await ask({ type: 'ListProcesses' }, 'Processes');
    const others = processes.filter(({ pid }) => pid !== 1).toSorted((a, b) => a.pid - b.pid);
    return others.map(({ command }) => command);
  }

  /** Whatever a test has left, also one that failed. */
  async function endWorkload(): Promise<void> {
    await using connection = await host().connect();
    connection.send({ type: 'SignalProcess', process: 0, signum: 9, target: 'all' });
    await connection.next();
    connection.send({ type: 'Wait', process: 0 });
    await connection.next();
  }

  let isShutDown = false;
  afterEach(async () => {
    if (!isShutDown) await endWorkload();
  });

  it('says which version it speaks and what it can do', async () => {
    const hello = await ask({ type: 'Hello', version: 1, features: [], software: 'test' }, 'Hello');
    expect(hello).toMatchObject({ version: 1, software: expect.stringMatching(/^vzagent\//) });
    expect(hello.features).toEqual(expect.arrayContaining(['start', 'execute', 'attach', 'freeze', 'shutdown']));
  });

  it('runs a workload and tells what it wrote, when, and how it ended', async () => {
    await using connection = await host().connect();
    connection.send(startOf(shell('echo out; sleep 0.05; echo err >&2; exit 7')));
    expect(await connection.expect('ProcessStarted')).toMatchObject({ process: 0, pid: 2, outputOffset: 0 });
    const first = await connection.expect('Output');
    expect(Math.abs(first.unixMicros / 1000 - Date.now())).toBeLessThan(60_000);
    const second = await connection.expect('Output');
    expect([first.stream, second.stream, second.offset]).toEqual(['stdout', 'stderr', 4]);
    expect(second.unixMicros).toBeGreaterThanOrEqual(first.unixMicros + 20_000);
    expect(await connection.expect('ProcessExited')).toEqual({
      ...{ type: 'ProcessExited', process: 0, code: 7, signal: null, oomKilled: false },
      ...{ outputEnd: 8, droppedBytes: 0 },
    });
  });

  it('tells a death by signal from an exit code that looks like one', async () => {
    expect((await run(shell('exit 137'))).exit).toMatchObject({ code: 137, signal: null });
    expect((await run(shell('kill -9 $$'))).exit).toMatchObject({ code: 137, signal: 9, oomKilled: false });
  });

  it('says why a program cannot run, and never that it started', async () => {
    const failures: [readonly string[], StartFields, string, RegExp][] = [
      [['no-such-program'], {}, 'notFound', /not found in PATH \(\/bin\)/],
      [['/no/such/program'], {}, 'notFound', /"\/no\/such\/program": not found/],
      [['not-executable'], {}, 'notExecutable', /permission denied: not executable/],
      [['no-interpreter'], {}, 'notExecutable', /interpreter or loader that it names is not found/],
      [['no-format'], {}, 'notExecutable', /exec format error/],
      [['/etc'], {}, 'notExecutable', /it is a directory/],
      [[], {}, 'invalid', /argv is empty/],
      [['true'], { user: 'nobody-here' }, 'unknownUser', /nobody-here/],
      [['true'], { user: 'alice:no-group' }, 'unknownUser', /no-group/],
      [['true'], { groups: ['no-group'] }, 'unknownUser', /no-group/],
      [['true'], { cwd: 'relative' }, 'invalid', /absolute/],
      [['true'], { rlimits: [{ resource: 'nonsense', soft: 1, hard: 1 }] }, 'invalid', /nonsense/],
      [['true'], { stopSignal: 65 }, 'invalid', /65/],
    ];
    for (const [argv, fields, kind, message] of failures) {
      const failed = await ask(startOf(argv, fields), 'Failed');
      expect(failed).toMatchObject({ kind, message: expect.stringMatching(message) });
    }
  });

  it('resolves users and groups in the container, as Docker does', async () => {
    const script = shell('id -u; id -g; id -G; echo $HOME');
    const lines = async (fields: StartFields) => (await run(script, fields)).stdout.trim().split('\n');
    expect(await lines({})).toEqual(['0', '0', '0 10', '/root']);
    expect(await lines({ user: 'alice' })).toEqual(['1000', '1001', '1001 10', '/home/alice']);
    expect(await lines({ user: '1000' })).toEqual(['1000', '1001', '1001 10', '/home/alice']);
    expect(await lines({ user: 'alice:video' })).toEqual(['1000', '44', '44', '/home/alice']);
    expect(await lines({ user: '1234' })).toEqual(['1234', '0', '0', '/']);
    expect(await lines({ user: '1234:5678' })).toEqual(['1234', '5678', '5678', '/']);
    expect(await lines({ user: 'alice', groups: ['video', '99'] })).toEqual([
      ...['1000', '1001', '1001 10 44 99', '/home/alice'],
    ]);
    const env: [string, string][] = [
      ['PATH', '/bin'],
      ['HOME', '/elsewhere'],
    ];
    expect(await lines({ user: 'alice', env })).toEqual(['1000', '1001', '1001 10', '/elsewhere']);
  });

  it('gives exactly the privileges and limits that were asked for', async () => {
    const script = shell(
      'grep -E "Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs" /proc/self/status | cut -f2; ulimit -n; ulimit -Hn',
    );
    const { stdout } = await run(script, {
      capabilities: 0b11n,
      noNewPrivileges: true,
      rlimits: [{ resource: 'nofile', soft: 100, hard: 200 }],
    });
    const caps = (bits: bigint) => bits.toString(16).padStart(16, '0');
    expect(stdout.trim().split('\n')).toEqual([caps(3n), caps(3n), caps(3n), caps(0n), '1', '100', '200']);
    const alice = await run(script, { user: 'alice' });
    const none = caps(0n);
    expect(alice.stdout.trim().split('\n').slice(0, 5)).toEqual([none, none, caps(CAPABILITIES), none, '0']);
  });

  it('makes a missing working directory', async () => {
    expect((await run(['pwd'], { cwd: '/srv/app/data', user: 'alice' })).stdout).toBe('/srv/app/data\n');
  });

  it('gives a program without stdin the end of file at once', async () => {
    expect((await run(shell('cat; echo end'))).stdout).toBe('end\n');
  });

  it('is the program itself, as PID 1, without an init', async () => {
    const { stdout } = await run(shell('echo $$; cat /proc/1/comm; exit 0'), { init: false });
    expect(stdout).toBe('1\nsh\n');
    expect((await run(['no-such-program'], { init: true }).catch((error: Error) => error.message)).toString()).toMatch(
      /Failed.*notFound/,
    );
    const failed = await ask(startOf(['no-such-program'], { init: false }), 'Failed');
    expect(failed.kind).toBe('notFound');
  });

  it('reaps orphans with its init, and ends what the workload leaves behind', async () => {
    const { stdout, exit } = await run(
      shell(`(setsid sleep 1000 &); for i in 1 2 3; do (sleep 0.02 &) ; done; sleep 0.4
        grep -c '^State:.Z' /proc/[0-9]*/status | grep -c ':1$'; exit 3`),
    );
    expect([stdout, exit.code]).toEqual(['0\n', 3]);
  });

  it('refuses a second workload while one runs, and what belongs to none', async () => {
    expect(await ask(executeOf(['true']), 'Failed')).toMatchObject({ kind: 'gone' });
    expect(await ask({ type: 'Freeze' }, 'Failed')).toMatchObject({ kind: 'conflict' });
    await beside(sleeper, {}, async (workload) => {
      expect(await ask(startOf(['true']), 'Failed')).toMatchObject({ kind: 'conflict' });
      expect(await workload.ask(executeOf(['true']), 'Failed')).toMatchObject({ kind: 'conflict' });
      expect(await ask({ type: 'Wait', process: 99_999_999 }, 'Failed')).toMatchObject({ kind: 'notFound' });
    });
  });

  it('feeds stdin within its window, more than any buffer holds', async () => {
    await using connection = await host().connect();
    const data = Buffer.alloc(2 * MIB, 'zlayer ');
    const { stdinWindow } = await connection.ask(
      startOf(shell('sleep 0.2; sha256sum'), { stdin: true }),
      'ProcessStarted',
    );
    let window = stdinWindow;
    for (let at = 0; at < data.length; ) {
      while (window === 0) window += (await connection.expect('StdinTaken')).bytes;
      const piece = data.subarray(at, at + Math.min(window, 50_000));
      connection.send({ type: 'Stdin', data: piece });
      at += piece.length;
      window -= piece.length;
    }
    connection.send({ type: 'StdinEof' });
    const { stdout } = await collect(connection);
    expect(stdout).toBe(`${createHash('sha256').update(data).digest('hex')}  -\n`);
  });

  it('ends a connection that sends more stdin than its window allows, and serves requests meanwhile', async () => {
    await using connection = await host().connect();
    const { stdinWindow } = await connection.ask(startOf(sleeper, { stdin: true }), 'ProcessStarted');
    connection.send({ type: 'Stdin', data: new Uint8Array(stdinWindow) });
    connection.send({ type: 'SignalProcess', process: 0, signum: 18, target: 'process' });
    for (;;) {
      const message = await connection.next();
      if (message?.type === 'StdinTaken') continue;
      expect(message).toEqual({ type: 'Done' });
      break;
    }
    connection.send({ type: 'Stdin', data: new Uint8Array(stdinWindow + 1) });
    let last: Message | undefined;
    for (let message = await connection.next(); message !== undefined; message = await connection.next())
      last = message;
    expect(last).toMatchObject({ type: 'Failed', kind: 'invalid' });
    expect(await ask({ type: 'SignalProcess', process: 0, signum: 9, target: 'process' }, 'Done')).toBeDefined();
    expect(await ask({ type: 'Wait', process: 0 }, 'ProcessExited')).toMatchObject({ signal: 9 });
  });

  it('has job control on a terminal: its size, its interrupt key, its end of input', async () => {
    await using connection = await host().connect();
    const script = 'tty; trap "stty size; exit 9" INT; stty size; while :; do sleep 0.05; done';
    connection.send(startOf(shell(script), { tty: { rows: 33, columns: 99 }, stdin: true }));
    const { process } = await connection.expect('ProcessStarted');
    let text = '';
    while (!text.includes('33 99\r\n')) text += Buffer.from((await connection.expect('Output')).data).toString();
    expect(text).toBe('/dev/pts/0\r\n33 99\r\n');
    expect(await ask({ type: 'Resize', process, size: { rows: 50, columns: 160 } }, 'Done')).toBeDefined();
    connection.send({ type: 'Stdin', data: Buffer.from('\x03') });
    const { stdout, exit } = await collect(connection);
    expect([stdout.replaceAll('\r', ''), exit.code]).toEqual(['^C50 160\n', 9]);

    connection.send(startOf(['cat'], { tty: { rows: 1, columns: 1 }, stdin: true }));
    await connection.expect('Failed'); // the connection still has the first workload's part
    await using second = await host().connect();
    await second.ask(startOf(['cat'], { tty: { rows: 1, columns: 1 }, stdin: true }), 'ProcessStarted');
    second.send({ type: 'Stdin', data: Buffer.from('line\n') });
    second.send({ type: 'StdinEof' });
    expect(await collect(second)).toMatchObject({ stdout: 'line\r\nline\r\n', exit: { code: 0 } });
  });

  it('executes programs beside the workload, in its container', async () => {
    const script = 'echo from the workload > /tmp/file; echo ready; exec sleep 1000';
    await beside(shell(script), {}, async (workload) => {
      await workload.expect('Output');
      const { stdout, stderr, exit } = await execute(shell('cat /tmp/file; hostname; id -u; echo err >&2; exit 5'), {
        user: 'alice',
      });
      expect([stdout, stderr, exit.code]).toEqual(['from the workload\nbox\n1000\n', 'err\n', 5]);
      const tty = await execute(shell('tty; stty size'), { tty: { rows: 2, columns: 3 } });
      expect(tty.stdout).toBe('/dev/pts/0\r\n2 3\r\n');
      expect(await ask(executeOf(['no-such-program']), 'Failed')).toMatchObject({ kind: 'notFound' });
    });
  });

  it('ends an execution though what it left behind holds its output open', async () => {
    await beside(sleeper, {}, async () => {
      const began = performance.now();
      const { stdout, exit } = await execute(shell('sleep 1000 & echo started'));
      expect([stdout, exit.code]).toEqual(['started\n', 0]);
      expect(performance.now() - began).toBeLessThan(5000);
    });
  });

  it('executes for eight clients at once, thousands of times, and all return', async () => {
    const { executions } = host();
    await beside(sleeper, {}, async () => {
      const client = async (number: number) => {
        for (let i = 0; i < executions; i++) {
          const code = (number * 31 + i) % 200;
          const { stdout, exit } = await execute(shell(`echo ${number}-${i}; exit ${code}`));
          expect([stdout, exit.code]).toEqual([`${number}-${i}\n`, code]);
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, number) => client(number)));
      expect(await commands()).toEqual(['sleep 1000']);
    });
  });

  it('executes one after the other on one connection, and not two at once', async () => {
    await beside(sleeper, {}, async () => {
      await using connection = await host().connect();
      for (const code of [3, 4]) {
        await connection.ask(executeOf(shell(`echo ${code}; exit ${code}`)), 'ProcessStarted');
        expect(await collect(connection)).toMatchObject({ stdout: `${code}\n`, exit: { code } });
      }
      await connection.ask(executeOf(sleeper), 'ProcessStarted');
      expect(await connection.ask(executeOf(sleeper), 'Failed')).toMatchObject({ kind: 'conflict' });
    });
  });

  it('starts and tells the end of each execution after one that was killed', async () => {
    await beside(sleeper, {}, async () => {
      for (const script of ['(exit 0) & wait', 'kill -9 $$', 'kill -9 $$']) {
        const { exit } = await execute(shell(script));
        expect([exit.code, exit.oomKilled]).toEqual([script.startsWith('(') ? 0 : 137, false]);
      }
    });
  });

  it('ends an execution whose connection is lost, or keeps it for the next host, as asked', async () => {
    await beside(sleeper, {}, async () => {
      const lose = async (whenLost: 'end' | 'keep') => {
        await using connection = await host().connect();
        const message = executeOf(shell('echo before; sleep 0.3; echo after; exit 6'), { whenLost });
        return (await connection.ask(message, 'ProcessStarted')).process;
      };
      const ended = await lose('end');
      expect(await ask({ type: 'Wait', process: ended }, 'ProcessExited')).toMatchObject({ signal: 9 });
      const keeps = await lose('keep');
      expect(await ask({ type: 'Wait', process: keeps }, 'ProcessExited')).toMatchObject({ code: 6 });
      await using connection = await host().connect();
      await connection.ask({ type: 'Attach', process: keeps, offset: null }, 'ProcessStarted');
      expect(await collect(connection)).toMatchObject({ stdout: 'before\nafter\n', exit: { code: 6 } });
    });
  });

  it('brings a host that comes back every byte, from where it left off', async () => {
    const { bulk } = host();
    const expected = createHash('sha256')
      .update('0123456789abcde\n'.repeat(bulk / 16))
      .digest('hex');
    const hash = createHash('sha256');
    const first = await host().connect();
    await first.ask(startOf(shell(`yes 0123456789abcde | head -c ${bulk}; exit 4`)), 'ProcessStarted');
    let taken = 0;
    while (taken < bulk / 4) {
      const message = await first.expect('Output');
      hash.update(message.data);
      taken = message.offset + message.data.length;
      first.send({ type: 'OutputTaken', offset: taken });
    }
    await first.expect('Output'); // one that is lost with its host
    first.socket.destroy();
    await delay(100);
    await using second = await host().connect();
    const started = await second.ask({ type: 'Attach', process: 0, offset: taken }, 'ProcessStarted');
    expect(started).toMatchObject({ process: 0, outputOffset: taken });
    for (;;) {
      const message = await second.next();
      if (message?.type === 'ProcessExited') {
        expect(message).toMatchObject({ code: 4, outputEnd: bulk, droppedBytes: 0 });
        break;
      }
      if (message?.type !== 'Output' || message.offset !== taken)
        throw new Error(`unexpected ${message?.type} at ${taken}`);
      hash.update(message.data);
      taken += message.data.length;
      second.send({ type: 'OutputTaken', offset: taken });
    }
    expect(hash.digest('hex')).toBe(expected);
  });

  it('keeps output and exit of a workload without a host until they are collected', async () => {
    {
      await using lost = await host().connect();
      await lost.ask(startOf(shell('sleep 0.2; echo kept; exit 3')), 'ProcessStarted');
    }
    expect(await ask({ type: 'Wait', process: 0 }, 'ProcessExited')).toMatchObject({ code: 3, outputEnd: 5 });
    for (let host_ = 0; host_ < 2; host_++) {
      await using connection = await host().connect();
      await connection.ask({ type: 'Attach', process: 0, offset: null }, 'ProcessStarted');
      expect(await collect(connection, { acknowledge: host_ === 1 })).toMatchObject({
        stdout: 'kept\n',
        exit: { code: 3 },
      });
    }
  });

  it('tells a displaced host that another one took over', async () => {
    await beside(shell('echo one; cat'), { stdin: true }, async (workload) => {
      expect(Buffer.from((await workload.expect('Output')).data).toString()).toBe('one\n');
      await using other = await host().connect();
      const message: Message = { type: 'Attach', process: 0, offset: 4 };
      expect(await other.ask(message, 'ProcessStarted')).toMatchObject({ outputOffset: 4 });
      expect(await workload.expect('Failed')).toMatchObject({ kind: 'conflict' });
      other.send({ type: 'Stdin', data: Buffer.from('two') });
      other.send({ type: 'StdinEof' });
      expect(await collect(other)).toMatchObject({ stdout: 'two', exit: { code: 0 } });
    });
  });

  it('slows a writer down that nobody reads, or drops its oldest output and counts it, as asked', async () => {
    const spoolBytes = 16 * 1024;
    const script = shell('i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done');
    const whole = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join('');
    const dropped = await host().connect();
    await dropped.ask(startOf(script, { spoolBytes, whenFull: 'dropOldest' }), 'ProcessStarted');
    dropped.socket.destroy();
    const { droppedBytes, outputEnd } = await ask({ type: 'Wait', process: 0 }, 'ProcessExited');
    expect(outputEnd).toBe(whole.length);
    expect(droppedBytes).toBeGreaterThan(0);
    {
      await using later = await host().connect();
      await later.ask({ type: 'Attach', process: 0, offset: null }, 'ProcessStarted');
      const { stdout, firstOffset } = await collect(later);
      expect([firstOffset, stdout]).toEqual([droppedBytes, whole.slice(droppedBytes)]);
    }
    const blocked = await host().connect();
    await blocked.ask(startOf(shell(`yes | head -c ${MIB}; echo end >&2`), { spoolBytes }), 'ProcessStarted');
    blocked.socket.destroy();
    await delay(700);
    await using later = await host().connect();
    await later.ask({ type: 'Attach', process: 0, offset: null }, 'ProcessStarted');
    expect((await ask({ type: 'ListProcesses' }, 'Processes')).processes.length).toBeGreaterThan(1);
    const { stdout, stderr, exit } = await collect(later);
    expect([stdout.length, stderr, exit.droppedBytes]).toEqual([MIB, 'end\n', 0]);
  });

  it('signals the process, its group, or everything that it has started', async () => {
    await beside(sleeper, {}, async () => {
      const start = async (script: string) => {
        const connection = await host().connect();
        const { process } = await connection.ask(executeOf(shell(script)), 'ProcessStarted');
        await connection.expect('Output');
        return { connection, process };
      };
      const script =
        'trap "echo child; exit 0" USR1; (trap "" USR1; echo ready; while :; do sleep 0.02; done) & wait; wait';
      const one = await start(script);
      expect(
        await ask({ type: 'SignalProcess', process: one.process, signum: 10, target: 'process' }, 'Done'),
      ).toBeDefined();
      expect(await collect(one.connection)).toMatchObject({ stdout: 'child\n', exit: { code: 0 } });
      expect(
        await ask({ type: 'SignalProcess', process: one.process, signum: 9, target: 'all' }, 'Done'),
      ).toBeDefined();
      const two = await start('(sleep 1000; echo no) & (setsid sleep 1000) & echo ready; wait');
      expect(
        await ask({ type: 'SignalProcess', process: two.process, signum: 9, target: 'all' }, 'Done'),
      ).toBeDefined();
      expect((await collect(two.connection)).exit).toMatchObject({ signal: 9 });
      const three = await start('sleep 1000 & echo ready; wait');
      expect(
        await ask({ type: 'SignalProcess', process: three.process, signum: 15, target: 'group' }, 'Done'),
      ).toBeDefined();
      expect((await collect(three.connection)).exit).toMatchObject({ signal: 15 });
      const again: Message = { type: 'SignalProcess', process: three.process, signum: 15, target: 'process' };
      expect(await ask(again, 'Failed')).toMatchObject({ kind: 'gone' });
      expect(await ask({ ...again, process: 0, signum: 65 }, 'Failed')).toMatchObject({ kind: 'invalid' });
      expect(await commands()).toEqual(['sleep 1000']);
      for (const { connection } of [one, two, three]) connection.socket.destroy();
    });
  });

  it('lists the container’s processes as the container sees them', async () => {
    await beside(shell('sleep 1000 & exec sleep 2000'), { user: 'alice' }, async () => {
      await expect.poll(commands, { timeout: 20_000 }).toEqual(['sleep 2000', 'sleep 1000']);
      const { processes } = await ask({ type: 'ListProcesses' }, 'Processes');
      const [init, workload, child] = processes.toSorted((a, b) => a.pid - b.pid);
      expect(init).toMatchObject({ pid: 1, parent: 0, uid: 0 });
      expect(workload).toMatchObject({
        pid: 2,
        uid: 1000,
        command: 'sleep 2000',
        state: expect.stringMatching(/^[DRS]$/),
      });
      expect(child).toMatchObject({ parent: 2, uid: 1000, command: 'sleep 1000' });
      expect(Math.abs((workload?.startedUnixMicros ?? 0) / 1000 - Date.now())).toBeLessThan(60_000);
      expect(workload?.residentBytes).toBeGreaterThan(0);
    });
  });

  it('freezes the container and thaws it', async () => {
    await beside(shell('while :; do echo tick; sleep 0.02; done'), {}, async (workload) => {
      await workload.expect('Output');
      expect(await ask({ type: 'Freeze' }, 'Done')).toBeDefined();
      expect(await ask(executeOf(['true']), 'Failed')).toMatchObject({ kind: 'conflict' });
      let ticks = 0;
      const reading = (async () => {
        for (;;) {
          const message = await workload.next();
          if (message?.type !== 'Output') return;
          ticks++;
          workload.send({ type: 'OutputTaken', offset: message.offset + message.data.length });
        }
      })();
      await delay(200);
      const frozen = ticks;
      await delay(300);
      expect(ticks).toBe(frozen);
      expect(await ask({ type: 'Thaw' }, 'Done')).toBeDefined();
      await delay(500);
      expect(ticks).toBeGreaterThan(frozen);
      expect(await ask({ type: 'Freeze' }, 'Done')).toBeDefined();
      expect(await ask({ type: 'SignalProcess', process: 0, signum: 9, target: 'all' }, 'Done')).toBeDefined();
      await reading;
    });
  });

  it('answers everybody who waits for the same process', async () => {
    await beside(sleeper, {}, async () => {
      await using starter = await host().connect();
      const { process } = await starter.ask(executeOf(shell('sleep 0.2; exit 8')), 'ProcessStarted');
      const waits = Array.from({ length: 20 }, () => ask({ type: 'Wait', process }, 'ProcessExited'));
      for (const { code } of await Promise.all(waits)) expect(code).toBe(8);
      expect(await ask({ type: 'Wait', process }, 'ProcessExited')).toMatchObject({ code: 8 });
    });
  });

  it('measures what the container uses', async () => {
    await beside(shell('i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exec sleep 1000'), {}, async () => {
      await delay(500);
      const { cpuMicros, guestMemoryBytes, guestMemoryAvailableBytes } = await ask(
        { type: 'GetStatistics' },
        'Statistics',
      );
      expect(cpuMicros).toBeGreaterThan(1000);
      expect(guestMemoryAvailableBytes).toBeLessThan(guestMemoryBytes);
    });
  });

  it('holds the container to its limits and tells an end by lack of memory', async (context) => {
    const { withoutLimits } = host();
    context.skip(withoutLimits !== undefined, withoutLimits);
    const limits = { cpuQuotaMicros: 50_000, memoryBytes: 32 * MIB, pids: 20 };
    await beside(sleeper, { limits }, async () => {
      const files = shell('cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max');
      expect((await execute(files)).stdout).toBe(`${32 * MIB}\n20\n50000 100000\n`);
      const bomb = await execute(shell('b() { b | b & }; b 2>/dev/null; sleep 0.5; echo survived'));
      expect(bomb.exit.code).toBeDefined();
      const statistics = await ask({ type: 'GetStatistics' }, 'Statistics');
      expect(statistics).toMatchObject({ memoryLimitBytes: 32 * MIB, pidsLimit: 20 });
      expect(statistics.pids).toBeLessThanOrEqual(21);
    });
    const eater = await run(shell('x=0123456789abcdef; while :; do x=$x$x; done'), { limits });
    expect(eater.exit).toMatchObject({ code: 137, oomKilled: true });
    // Without a limit of its own it still leaves the agent room to answer, and to end it.
    await beside(shell('b() { b | b & }; b 2>/dev/null; exec sleep 1000'), {}, async () => {
      await delay(1500);
      expect(await ask({ type: 'Hello', version: 1, features: [], software: '' }, 'Hello')).toBeDefined();
    });
    expect((await run(['echo', 'still here'])).stdout).toBe('still here\n');
  });

  it('survives a workload that kills all it can see', async () => {
    await beside(sleeper, {}, async () => {
      const { exit } = await execute(shell('kill -9 -1; sleep 5'));
      expect(exit.code).toBeGreaterThan(0);
    });
    expect((await run(['echo', 'still here'])).stdout).toBe('still here\n');
  });

  it('ends connections with malformed frames, and no other', async () => {
    const malformed = [
      ...[
        [0, 0, 0, 0],
        [1, 0, 0, 1, 1],
        [2, 0, 0, 0, 20, 19],
        [2, 0, 0, 0, 200, 199],
        [2, 0, 0, 0, 40, 40],
        [3, 0, 0, 0, 33, 33, 0],
      ],
      ...[
        [2, 0, 0, 0, 42, 42],
        [4, 0, 0, 0, 41, 41, 255, 255],
      ],
    ];
    await using quiet = await host().connect();
    for (const bytes of malformed) {
      await using connection = await host().connect();
      connection.socket.write(Uint8Array.from(bytes));
      expect(await connection.next()).toMatchObject({ type: 'Error' });
      expect(await connection.next()).toBeUndefined();
    }
    for (let i = 0; i < 50; i++) {
      await using half = await host().connect();
      half.socket.write(Uint8Array.of(0xff, 0xff, 0x0f, 0, 40, 40, 1, 2, 3));
    }
    expect(await quiet.ask({ type: 'Hello', version: 1, features: [], software: '' }, 'Hello')).toBeDefined();
  });

  it('answers what only a guest sends, and what comes late, without ending anything', async () => {
    await using connection = await host().connect();
    expect(await connection.ask({ type: 'Done' }, 'Error')).toBeDefined();
    expect(await connection.ask({ type: 'Stdin', data: Uint8Array.of(1) }, 'Error')).toBeDefined();
    connection.send({ type: 'OutputTaken', offset: 5 });
    expect(await connection.ask({ type: 'Attach', process: 2 ** 40, offset: null }, 'Failed')).toMatchObject({
      kind: 'notFound',
    });
    expect(await connection.ask({ type: 'Hello', version: 9, features: ['x'], software: '' }, 'Hello')).toBeDefined();
  });

  it('serves hundreds of connections at once', async () => {
    const connections = await Promise.all(Array.from({ length: 300 }, () => host().connect()));
    const hello: Message = { type: 'Hello', version: 1, features: [], software: '' };
    for (const connection of connections) connection.send(hello);
    for (const connection of connections) expect((await connection.next())?.type).toBe('Hello');
    for (const connection of connections) connection.socket.destroy();
  });

  it('shuts down in order: the stop signal, time for it, the end', async () => {
    isShutDown = true;
    await using workload = await host().connect();
    const script =
      'trap "echo stopping; sleep 0.1; echo stopped; exit 0" INT; echo ready; while :; do sleep 0.02; done';
    await workload.ask(startOf(shell(script), { stopSignal: 2 }), 'ProcessStarted');
    await workload.expect('Output');
    expect(await ask({ type: 'Shutdown', graceMillis: 10_000 }, 'Done')).toBeDefined();
    expect(await collect(workload)).toMatchObject({ stdout: 'stopping\nstopped\n', exit: { code: 0 } });
  });
}
