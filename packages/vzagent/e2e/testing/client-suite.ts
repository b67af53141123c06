import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { AgentClient, type AgentProcess, type StartSpec } from '@zlayer/vzagent-proto';
import { afterEach, expect, it } from 'vitest';
import { type Refusal, withoutExtensions } from './legacy-filter.ts';
import { executeSpec, finish, SHARE_ROOT, shell, startSpec } from './start-spec.ts';

const MIB = 1024 * 1024;

/** An agent somewhere, with a share `rootfs` that holds a container's root and the program of `sockets.c`. */
export interface ClientHost {
  stream(): Promise<Duplex>;
  /** Why there are neither limits nor a clock of its own; absent when it is a machine. */
  noMachine?: string;
}

/** What `AgentClient` has to do with any agent, wherever it runs. The last of the tests ends the agent. */
export function testClient(host: () => ClientHost): void {
  const client = new AgentClient(() => host().stream());
  let isShutDown = false;

  const specOf = (script: string, fields: Partial<StartSpec> = {}): StartSpec =>
    startSpec({ root: SHARE_ROOT, argv: ['/bin/sh', '-c', script], ...fields });
  const start = (script: string, fields: Partial<StartSpec> = {}): Promise<AgentProcess> =>
    client.start(specOf(script, fields));

  /** Runs `body` while a workload runs. It is ended after each test, also one that failed. */
  async function beside(body: () => Promise<void>, fields: Partial<StartSpec> = {}): Promise<void> {
    using _ = await start('exec sleep 1000', fields);
    await body();
  }

  async function endWorkload(): Promise<void> {
    await client.signal(0, 9, 'all').catch(() => {});
    await client.wait(0, { timeoutMs: 20_000 }).catch(() => {});
  }

  afterEach(async () => {
    if (!isShutDown) await endWorkload();
  });

  it('tells the client its version and features', async () => {
    const info = await client.hello();
    expect(info).toMatchObject({ version: 1, isLegacy: false, software: expect.stringMatching(/^vzagent\//) });
    expect(info.features).toContain('start');
  });

  it('starts a workload and programs beside it, each with its output, its exit and its own reasons to fail', async () => {
    const workload = await start('echo out; echo err >&2; exec sleep 1000', { user: 'alice' });
    expect(workload).toMatchObject({ id: 0, pid: 2, stdin: null, outputOffset: 0 });
    expect(await shell(client, 'echo $PPID; id -u; exit 5')).toMatchObject({ stdout: '0\n0\n', code: 5, signal: null });
    expect(await shell(client, 'kill -9 $$')).toMatchObject({ code: 137, signal: 9, oomKilled: false });
    const missing = client.execute(executeSpec({ argv: ['no-such-program'] }));
    await expect(missing).rejects.toMatchObject({ name: 'AgentError', kind: 'notFound', subject: 'no-such-program' });
    await expect(start('true')).rejects.toMatchObject({ kind: 'conflict', code: 'CONFLICT' });
    await expect(client.wait(4711)).rejects.toMatchObject({ kind: 'notFound' });
    await workload.signal(9);
    expect(await finish(workload)).toMatchObject({ stdout: 'out\n', stderr: 'err\n', code: 137, signal: 9 });
  });

  it('gives a terminal, resized while the program runs', async () => {
    const script = 'trap "stty size; exit 9" WINCH; stty size; while :; do sleep 0.05; done';
    const process = await start(script, { tty: { rows: 20, columns: 70 }, stdin: true });
    let written = '';
    for await (const { stream, data } of process.output) {
      expect(stream).toBe('stdout');
      written += Buffer.from(data).toString();
      if (written.endsWith('20 70\r\n')) await process.resize({ rows: 51, columns: 161 });
    }
    expect(written).toBe('20 70\r\n51 161\r\n');
    expect(await process.exited).toMatchObject({ code: 9 });
    const { stdin, ...cat } = await start('cat', { tty: { rows: 1, columns: 1 }, stdin: true }).then((process) => ({
      stdin: process.stdin,
      done: finish(process),
    }));
    stdin?.end('typed\n');
    expect(await cat.done).toMatchObject({ stdout: 'typed\r\ntyped\r\n', code: 0 });
  });

  it('ends the input of a program that was started without any, and keeps a terminal’s open, as Docker does', async () => {
    expect(await finish(await start('cat; echo end'))).toMatchObject({ stdout: 'end\n', code: 0 });
    const process = await start('if read -t 1 line; then echo read; else echo "nothing in time"; fi', {
      tty: { rows: 1, columns: 80 },
    });
    expect(process.stdin).toBeNull();
    expect(await finish(process)).toMatchObject({ stdout: 'nothing in time\r\n' });
  });

  it('takes 10 MB of input, all of it', async () => {
    const data = Buffer.alloc(10_000_000, 'zlayer input ');
    const process = await start('sleep 0.2; sha256sum', { stdin: true });
    process.stdin?.end(data);
    const digest = createHash('sha256').update(data).digest('hex');
    expect(await finish(process)).toMatchObject({ stdout: `${digest}  -\n`, code: 0 });
  });

  it('lets a client that comes back go on where it was, and tells the one that was displaced', async () => {
    const lines = 200_000;
    const first = await client.start(specOf(`seq 1 ${lines}; exit 4`), { acknowledge: 'explicit' });
    const kept: Uint8Array[] = [];
    let end = 0;
    for await (const { offset, data } of first.output) {
      kept.push(Buffer.from(data));
      end = offset + data.length;
      first.taken(end);
      if (end > 300_000) break;
    }
    first.close();
    await expect(first.exited).rejects.toMatchObject({ kind: 'lost' });
    const second = await client.attach(0, { offset: end, acknowledge: 'explicit' });
    expect(second.outputOffset).toBe(end);
    const third = await client.attach(0, { offset: end });
    await expect(second.exited).rejects.toMatchObject({ kind: 'conflict' });
    for await (const { data } of third.output) kept.push(Buffer.from(data));
    expect(await third.exited).toMatchObject({ code: 4, droppedBytes: 0 });
    const expected = Array.from({ length: lines }, (_, i) => `${i + 1}\n`).join('');
    expect(digestOf(Buffer.concat(kept))).toBe(digestOf(Buffer.from(expected)));
  });

  it('keeps what a program wrote last for a client that is late, beyond the spool that it was given', async () => {
    const spoolBytes = 64 * 1024;
    await beside(async () => {
      const argv = ['/bin/sh', '-c', 'head -c 300000 /dev/zero; exit 3'];
      const late = await client.execute(executeSpec({ argv, spoolBytes }), { acknowledge: 'explicit' });
      await delay(500);
      expect(await finish(late)).toMatchObject({ code: 3, outputEnd: 300_000 });
      late.taken(300_000);
    });
  });

  it('sees the end of a program that had filled its output when its client was lost', async () => {
    // Both pipes are full, and so is the spool.
    using _ = await start('sleep 1000');
    const flood = 'yes & yes >&2 & sleep 0.5; exit 7';
    const argv = ['/bin/sh', '-c', flood];
    const kept = await client.execute(executeSpec({ argv, spoolBytes: 4096, whenLost: 'keep' }));
    kept.close();
    expect(await client.wait(kept.id, { timeoutMs: 20_000 })).toMatchObject({ code: 7, droppedBytes: 0 });
    await endWorkload();
    const workload = await start(flood, { spoolBytes: 4096 });
    workload.close();
    expect(await client.wait(0, { timeoutMs: 20_000 })).toMatchObject({ code: 7, droppedBytes: 0 });
  });

  it('lets a program go on by itself: with its input ended, slowed down by nobody, ended by no lost connection', async () => {
    await beside(async () => {
      const argv = ['/bin/sh', '-c', 'echo begun; cat; head -c 3000000 /dev/zero; exit 7'];
      const process = await client.execute(executeSpec({ argv, spoolBytes: 4096, stdin: true }));
      for await (const _ of process.output) break;
      await process.detach();
      await expect(process.exited).rejects.toMatchObject({ name: 'AgentError' });
      expect(await client.wait(process.id, { timeoutMs: 20_000 })).toMatchObject({ code: 7, outputEnd: 3_000_006 });
      // Nothing of it is left to be read, whoever asks.
      const again = await client.attach(process.id, { stdin: false });
      expect(await finish(again)).toMatchObject({ stdout: '', code: 7 });
    });
  });

  it('lets a program go on that waits for room, and leaves its terminal open', async () => {
    await beside(async () => {
      const script = 'head -c 3000000 /dev/zero; read -t 1 line || echo "nothing in time" >/tmp/said; exit 8';
      const spec = executeSpec({ argv: ['/bin/sh', '-c', script], spoolBytes: 4096, tty: { rows: 1, columns: 80 } });
      const process = await client.execute({ ...spec, stdin: true }, { acknowledge: 'explicit' });
      await delay(200);
      // By its number, as one who is not connected with it may do, too.
      await client.detach(process.id);
      await expect(process.exited).rejects.toMatchObject({ kind: 'conflict' });
      expect(await client.wait(process.id, { timeoutMs: 20_000 })).toMatchObject({ code: 8 });
      await client.detach(process.id);
      await expect(client.detach(0)).rejects.toMatchObject({ kind: 'conflict' });
      await expect(client.detach(4711)).rejects.toMatchObject({ name: 'AgentError' });
      const said = await client.execute(executeSpec({ argv: ['cat', '/tmp/said'] }));
      expect(await finish(said)).toMatchObject({ stdout: 'nothing in time\n' });
    });
  });

  it('leads to UDP, TCP and Unix sockets of the container', async () => {
    const servers = ['echo', '7001', 'count', '7002', 'udp', '7005', 'echo', '/tmp/echo.sock'];
    const process = await client.start(startSpec({ root: SHARE_ROOT, argv: ['sockets', ...servers] }));
    let listening = '';
    for await (const { data } of process.output) {
      listening += Buffer.from(data).toString();
      if (listening.split('\n').length > servers.length / 2) break;
    }
    for (const target of [
      { protocol: 'tcp', port: 7001 },
      { protocol: 'unix', address: '/tmp/echo.sock' },
    ] as const) {
      const tunnel = await client.connectTo(target);
      tunnel.end('hello');
      expect(await text(tunnel)).toBe('hello');
    }
    const counted = await client.connectTo({ protocol: 'tcp', port: 7002 });
    counted.end(Buffer.alloc(3 * MIB));
    expect(await text(counted)).toBe(String(3 * MIB));
    const datagrams = await client.connectTo({ protocol: 'udp', port: 7005 });
    for (const size of [0, 1, 1400, 65_507]) await datagrams.send(Buffer.alloc(size, 1));
    const sizes: number[] = [];
    for await (const { length } of datagrams) if (sizes.push(length) === 4) break;
    datagrams.close();
    expect(sizes).toEqual([0, 1, 1400, 65_507]);
    await expect(client.connectTo({ protocol: 'tcp', port: 7999 })).rejects.toMatchObject({ kind: 'refused' });
  });

  it('carries archives in and out, the same bytes, and says what a path is', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vzagent-archive-'));
    try {
      const content = Buffer.alloc(3 * MIB, 'archive ');
      await writeFile(join(folder, 'large'), content, { mode: 0o640 });
      const tar = async (...args: string[]) =>
        (await promisify(execFile)('tar', args, { cwd: folder, encoding: 'buffer', maxBuffer: 16 * MIB })).stdout;
      const archive = await tar('-c', 'large');
      await beside(async () => {
        await client.archivePut('/tmp', [archive.subarray(0, 1000), archive.subarray(1000)]);
        expect(await shell(client, 'sha256sum < /tmp/large; stat -c %u:%a /tmp/large')).toMatchObject({
          stdout: `${digestOf(content)}  -\n0:640\n`,
        });
        expect(await client.archiveHead('/tmp/large')).toMatchObject({ name: 'large', bytes: content.length });
        const { info, archive: back } = await client.archiveGet('/tmp/large');
        expect(info.mode & 0o7777).toBe(0o640);
        await writeFile(join(folder, 'back.tar'), await buffer(back));
        expect(digestOf(await tar('-xOf', 'back.tar', 'large'))).toBe(digestOf(content));
        await expect(client.archiveGet('/no/such/file')).rejects.toMatchObject({ kind: 'notFound' });
        await expect(client.archivePut('/tmp', [Buffer.alloc(10_000, 1)])).rejects.toMatchObject({ kind: 'invalid' });
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('measures, lists, freezes and thaws', async () => {
    await beside(async () => {
      const { cpuMicros, guestMemoryBytes, guestMemoryAvailableBytes } = await client.statistics();
      expect(cpuMicros).toBeGreaterThan(0);
      expect(guestMemoryAvailableBytes).toBeLessThan(guestMemoryBytes);
      const commands = async () => (await client.listProcesses()).map(({ command }) => command);
      await expect.poll(commands, { timeout: 10_000 }).toContain('sleep 1000');
      await client.freeze();
      await expect(client.execute(executeSpec({ argv: ['true'] }))).rejects.toMatchObject({ kind: 'conflict' });
      await client.thaw();
      expect(await shell(client, 'echo thawed')).toMatchObject({ stdout: 'thawed\n' });
      expect((await client.network()).interfaces).toBeInstanceOf(Array);
    });
  });

  it('tells who watches of a kill for want of memory, and sets the clock', async (context) => {
    const { noMachine } = host();
    context.skip(noMachine !== undefined, noMachine);
    const limits = { cpuQuotaMicros: null, memoryBytes: 24 * MIB, pids: null };
    const events = await client.watch();
    const told = events.next();
    const eater = await finish(await start('x=0123456789abcdef; while :; do x=$x$x; done', { limits }));
    expect(eater).toMatchObject({ code: 137, signal: 9, oomKilled: true });
    expect((await told).value).toMatchObject({ type: 'OomKilled' });
    await events.return();
    await beside(async () => {
      await client.setClock(2_000_000_000_000_000);
      expect((await shell(client, 'date +%Y')).stdout).toBe('2033\n');
      await client.setClock(Date.now() * 1000);
      const { stdout } = await shell(client, 'date +%s');
      expect(Math.abs(Number(stdout) - Date.now() / 1000)).toBeLessThan(5);
    });
  });

  for (const refusal of ['closes', 'reports'] as const satisfies readonly Refusal[]) {
    it(`serves a host to which tag 32 is unknown (the agent ${refusal === 'closes' ? 'closes' : 'sends Error'})`, async () => {
      const legacy = new AgentClient(() => withoutExtensions(() => host().stream(), refusal), { timeoutMs: 20_000 });
      expect(await legacy.hello()).toEqual({ version: 0, features: [], software: '', isLegacy: true });
      const plain = { ...SHARE_ROOT, upper: 'none' } as const;
      const workload = await legacy.start(
        specOf('cat; echo err >&2; trap "exit 6" TERM; while :; do sleep 0.05; done', { root: plain, stdin: true }),
      );
      workload.stdin?.end('input\n');
      const written = { stdout: '', stderr: '' };
      for await (const { stream, data } of workload.output) {
        written[stream] += Buffer.from(data).toString();
        if (written.stderr !== '') break;
      }
      expect(written).toEqual({ stdout: 'input\n', stderr: 'err\n' });
      const beside = await legacy.execute(executeSpec({ argv: ['/bin/sh', '-c', 'id -un; exit 7'], user: 'alice' }));
      expect(await finish(beside)).toMatchObject({ stdout: 'alice\n', code: 7, signal: null, oomKilled: null });
      const failing = await legacy.execute(executeSpec({ argv: ['no-such-program'] }));
      await expect(failing.exited).rejects.toMatchObject({ kind: 'reported', code: 'START_FAILED' });
      const server = await legacy.execute(executeSpec({ argv: ['sockets', 'echo', '7011'] }));
      for await (const _ of server.output) break;
      const tunnel = await legacy.connectTo({ protocol: 'tcp', port: 7011 });
      tunnel.write('through tag 9');
      const [echo] = await Promise.race([
        new Promise<[Buffer]>((resolve) => tunnel.once('data', (data: Buffer) => resolve([data]))),
        delay(10_000).then(() => [Buffer.from('nothing came back')]),
      ]);
      expect(echo?.toString()).toBe('through tag 9');
      tunnel.destroy();
      await expect(legacy.attach(0)).rejects.toMatchObject({ kind: 'unsupported', code: 'UNSUPPORTED' });
      await expect(legacy.statistics()).rejects.toMatchObject({ kind: 'unsupported' });
      server.close();
      await workload.signal(15);
      expect(await workload.exited).toMatchObject({ code: 6, signal: null });
    });
  }

  it('shuts down, after the workload’s own signal', async () => {
    isShutDown = true;
    const script = 'trap "echo stopping; exit 0" INT; echo ready; while :; do sleep 0.02; done';
    const workload = await start(script, { stopSignal: 2 });
    const finished = finish(workload);
    await expect
      // It is ready when it sleeps.
      .poll(async () => (await client.listProcesses()).some(({ pid }) => pid > 2), { timeout: 20_000 })
      .toBe(true);
    await client.shutdown(10_000);
    expect(await finished).toMatchObject({ stdout: 'ready\nstopping\n', code: 0 });
  });
}

function digestOf(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
