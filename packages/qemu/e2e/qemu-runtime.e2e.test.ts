import { createHash } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ContainerId,
  type CreatedContainer,
  type ExitResult,
  type ServiceSpecInput,
  START_CHANNEL,
} from '@zlayer/runtime-core';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { survivors } from '@zlayer/test-support';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { QemuRuntime } from '../src/index.ts';
import { machineProcesses } from './processes.ts';

const id: ContainerId = { service: 'test', replica: 0 };

describe.each(['amd64', 'arm64'] as const)('a %s guest', (architecture) => {
  let dataDir: string;
  let served: ServedImages<'plain' | 'configured'>;
  let runtime: QemuRuntime;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-qemu-'));
    served = await serveBusybox({
      architectures: ['amd64', 'arm64'],
      images: {
        plain: { extra: [{ path: 'etc/not-a-program', content: 'text\n', mode: 0o644 }] },
        configured: {
          config: {
            Entrypoint: ['/bin/sh', '-c', 'echo "$GREETING $0 $@; $(pwd); $(id -u):$(id -g)"'],
            Cmd: ['default'],
            Env: ['PATH=/bin', 'GREETING=hello'],
            WorkingDir: '/srv/app',
            User: '1234:5678',
          },
        },
      },
    });
    runtime = new QemuRuntime({ dataDir });
  });

  afterEach(() => runtime.removeContainer(id, { force: true }));

  afterAll(async () => {
    await runtime?.close();
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const stateDirectory = (): string => join(dataDir, 'qemu', 'containers', 'test-0');

  const create = (spec: Partial<ServiceSpecInput> = {}): Promise<CreatedContainer> =>
    runtime.createContainer(id, { image: served.images.plain, platform: `linux/${architecture}`, ...spec });

  /** Runs a shell command to its end. */
  const run = async (
    script: string,
    spec: Partial<ServiceSpecInput> = {},
  ): Promise<{ stdout: string; stderr: string; result: ExitResult }> => {
    await create({ command: { args: ['sh', '-c', script] }, ...spec });
    return finish();
  };

  const finish = async (): Promise<{ stdout: string; stderr: string; result: ExitResult }> => {
    const output = runtime.attachContainer(id);
    await runtime.startContainer(id);
    const text = { stdout: '', stderr: '' };
    for await (const { stream, data } of output) text[stream] += Buffer.from(data).toString('latin1');
    return { ...text, result: await runtime.waitContainer(id) };
  };

  it('runs a command of an image, and nothing is left of the machine afterwards', async () => {
    const output = runtime;
    await create({ command: { args: ['sh', '-c', 'uname -m; echo hello; sleep 1'] } });
    const chunks = output.attachContainer(id);
    expect(await runtime.containerState(id)).toEqual({ status: 'pending' });
    const published: unknown[] = [];
    const listen = (message: unknown): number => published.push(message);
    subscribe(START_CHANNEL, listen);
    const { stages } = await runtime.startContainer(id);
    unsubscribe(START_CHANNEL, listen);
    expect(Object.keys(stages)).toEqual(['root', 'boot', 'agent', 'workload']);
    expect(Object.values(stages).every((ms) => ms > 0)).toBe(true);
    expect(published).toMatchObject([{ runtime: 'qemu', container: id, stages }]);
    expect(await runtime.containerState(id)).toEqual({ status: 'running' });
    const processes = await machineProcesses(stateDirectory());
    // The host program, QEMU, the console's keeper, the vsock device and its door.
    expect(processes).toHaveLength(5);
    let text = '';
    for await (const { data } of chunks) text += Buffer.from(data);
    expect(text).toBe(`${architecture === 'amd64' ? 'x86_64' : 'aarch64'}\nhello\n`);
    expect(await runtime.waitContainer(id)).toEqual({ reason: 'exited', exitCode: 0 });
    expect(await runtime.containerState(id)).toEqual({ status: 'exited', exitCode: 0 });
    expect(await survivors(processes)).toEqual([]);
    await runtime.removeContainer(id);
    expect(await readdir(join(dataDir, 'qemu', 'containers'))).toEqual([]);
  });

  it('passes the exit code on', async () => {
    const { result } = await run('exit 7');
    expect(result).toEqual({ reason: 'exited', exitCode: 7 });
  });

  it('reports death by a signal as 128 + N', async () => {
    const { result } = await run('kill -USR1 $$');
    expect(result).toEqual({ reason: 'signal', exitCode: 138, signal: 10 });
  });

  it('keeps stdout and stderr apart, each in order, and records both', async () => {
    const { stdout, stderr } = await run('for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done');
    const lines = (name: string): string => [1, 2, 3, 4, 5].map((i) => `${name} ${i}\n`).join('');
    expect(stdout).toBe(lines('out'));
    expect(stderr).toBe(lines('err'));
    const logged = { stdout: '', stderr: '' };
    for await (const { stream, data } of runtime.logsStream(id)) logged[stream] += Buffer.from(data);
    expect(logged).toEqual({ stdout, stderr });
    const tail: string[] = [];
    for await (const { data } of runtime.logsStream(id, { tail: 2 })) tail.push(String(Buffer.from(data)));
    expect(tail).toHaveLength(2);
  });

  it('loses no byte of 64 MiB of output', async () => {
    const size = 64 * 1024 * 1024;
    const line = Buffer.from('0123456789abcdef\n');
    await create({ command: { args: ['sh', '-c', `yes ${String(line).trim()} | head -c ${size}`] } });
    const output = runtime.attachContainer(id);
    await runtime.startContainer(id);
    const received = createHash('sha256');
    let bytes = 0;
    for await (const { data } of output) {
      received.update(data);
      bytes += data.byteLength;
    }
    expect(bytes).toBe(size);
    const expected = createHash('sha256').update(Buffer.alloc(size, line)).digest('hex');
    expect(received.digest('hex')).toBe(expected);
    expect(await runtime.waitContainer(id)).toEqual({ reason: 'exited', exitCode: 0 });
  });

  it("uses the image's entrypoint, arguments, environment, working directory and numeric user", async () => {
    await create({ image: served.images.configured });
    expect((await finish()).stdout).toBe('hello default ; /srv/app; 1234:5678\n');
  });

  it('lets the spec override arguments, environment, working directory and user', async () => {
    await create({
      image: served.images.configured,
      command: { args: ['mine', 'too'], workdir: '/tmp' },
      env: { GREETING: 'good day' },
      user: 'nobody',
    });
    expect((await finish()).stdout).toBe('good day mine too; /tmp; 65534:65534\n');
  });

  it('stops a command with its stop signal, and says so', async () => {
    await create({ command: { args: ['sleep', '100'] } });
    await runtime.startContainer(id);
    await runtime.stopContainer(id);
    expect(await runtime.waitContainer(id)).toEqual({ reason: 'signal', exitCode: 143, signal: 15 });
  });

  it('kills a command that ignores its stop signal, and can start the container again', async () => {
    await create({ command: { args: ['sh', '-c', 'trap "" TERM; echo deaf; while :; do sleep 1; done'] } });
    for (let round = 0; round < 2; round += 1) {
      const output = runtime.attachContainer(id)[Symbol.asyncIterator]();
      await runtime.startContainer(id);
      expect(String(Buffer.from((await output.next()).value.data))).toBe('deaf\n');
      await runtime.stopContainer(id, { timeoutMs: 300 });
      expect(await runtime.waitContainer(id)).toEqual({ reason: 'signal', exitCode: 137, signal: 9 });
    }
  });

  it.each([
    [['no-such-program'], /no-such-program.*not found/],
    [['/etc/not-a-program'], /not-a-program.*(permission denied|not executable)/i],
  ])('refuses to start %j instead of calling it a success', async (args, message) => {
    await create({ command: { args } });
    await expect(runtime.startContainer(id)).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringMatching(message),
    });
    expect(await runtime.containerState(id)).toMatchObject({ status: 'failed' });
    expect(await survivors(await machineProcesses(stateDirectory()))).toEqual([]);
  });

  it('gives up a start when asked to, and leaves nothing running', async () => {
    await create({ command: { args: ['sleep', '100'] } });
    const cancel = new AbortController();
    const start = runtime.startContainer(id, { signal: cancel.signal });
    setTimeout(() => cancel.abort(new Error('changed my mind')), 700);
    await expect(start).rejects.toThrow('changed my mind');
    expect(await survivors(await machineProcesses(stateDirectory()))).toEqual([]);
  });

  it('tells a machine that died from a workload that ended, with what its kernel said last', async () => {
    // The kernel reports on the console whom it kills for want of memory.
    const script = 'tail /dev/zero; echo killed; sleep 100';
    await create({ command: { args: ['sh', '-c', script] }, resources: { memory: '64Mi' } });
    const output = runtime.attachContainer(id);
    await runtime.startContainer(id);
    for await (const { stream } of output) if (stream === 'stdout') break;
    const [, qemu] = await machineProcesses(stateDirectory());
    if (qemu === undefined) throw new Error('no QEMU was recorded');
    process.kill(qemu, 'SIGKILL');
    expect(await runtime.waitContainer(id)).toMatchObject({ reason: 'runtime-error', exitCode: undefined });
    expect(await runtime.containerState(id)).toMatchObject({
      status: 'failed',
      reason: expect.stringMatching(/virtual machine ended.*\nLast lines of its console:\n[\s\S]*Killed process/),
    });
  });
});
