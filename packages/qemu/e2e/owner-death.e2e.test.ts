import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { runDirectory } from '@zlayer/host';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { isRunning, survivors } from '@zlayer/test-support';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { CHANNEL_VARIABLE } from '../src/channel/control-channel.ts';
import { QemuRuntime } from '../src/index.ts';
import { OWNED, OwnerProcess } from './owner-process.ts';
import { machineProcesses } from './processes.ts';

const LINES = 50_000;
const PADDING = 'x'.repeat(990);

/** 50 MB in lines that are all different; then a server that answers once. */
const OUTPUT =
  `awk 'BEGIN { for (i = 0; i < ${LINES}; i++) printf "%08d %s\\n", i, "${PADDING}" }'; ` +
  'while :; do echo answer | nc -l -p 7777; done';

function expectedDigest(): string {
  const hash = createHash('sha256');
  for (let i = 0; i < LINES; i += 1) hash.update(`${String(i).padStart(8, '0')} ${PADDING}\n`);
  return hash.digest('hex');
}

describe('a program that is killed', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;
  const state = (): string => join(dataDir, 'qemu', 'containers', 'owned-0');

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-owner-'));
    served = await serveBusybox({ architectures: ['amd64', 'arm64'], images: { plain: {} } });
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });
  afterAll(async () => {
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('takes its machines with it, and the next one finds that they have ended', async () => {
    const image = served.images.plain;
    await using owner = await OwnerProcess.start(dataDir, { image, command: { args: ['sleep', '1000'] } });
    const processes = await machineProcesses(state());
    expect(processes.every(isRunning)).toBe(true);
    await owner.kill();
    expect(await survivors(processes)).toEqual([]);

    await using runtime = new QemuRuntime({ dataDir });
    const [found, ...others] = await runtime.recover();
    expect(others).toEqual([]);
    expect(found).toMatchObject({ id: OWNED, state: { status: 'failed', reason: expect.stringMatching(/program/) } });
    expect(await runtime.waitContainer(OWNED)).toMatchObject({ reason: 'runtime-error', exitCode: undefined });
    await runtime.removeContainer(OWNED);
  });

  it('loses nothing of what is kept: state, every byte of output, ports, exec', async () => {
    await using owner = await OwnerProcess.start(dataDir, {
      image: served.images.plain,
      command: { args: ['sh', '-c', OUTPUT] },
      ports: [7777],
      lifecycle: { onOwnerExit: 'keep' },
    });
    const processes = await machineProcesses(state());
    await using earlier = new QemuRuntime({ dataDir });
    const [before] = await earlier.portMappings(OWNED);
    await owner.kill();
    await delay(1000);
    expect(processes.every(isRunning)).toBe(true);

    await using runtime = new QemuRuntime({ dataDir });
    const found = await runtime.recover();
    expect(found).toMatchObject([{ id: OWNED, state: { status: 'running' } }]);
    const hash = createHash('sha256');
    let lines = 0;
    for await (const { data } of runtime.logsStream(OWNED, { follow: true })) {
      hash.update(data);
      lines += 1;
      if (lines === LINES) break;
    }
    expect(hash.digest('hex')).toBe(expectedDigest());
    const [after] = await runtime.portMappings(OWNED);
    expect(after).toEqual(before);
    expect(await answerOf(after?.hostPort ?? 0)).toBe('answer\n');
    expect(await runtime.exec(OWNED, ['echo', 'hello'])).toMatchObject({ exitCode: 0, stdoutText: 'hello\n' });
    await runtime.stopContainer(OWNED, { timeoutMs: 0 });
    expect(await runtime.waitContainer(OWNED)).toEqual({ reason: 'signal', exitCode: 137, signal: 9 });
    expect(await survivors(processes)).toEqual([]);
    await runtime.removeContainer(OWNED);
  });

  it.each(['vsock', 'tcp'] as const)(
    'does not keep a container from starting again, even if all that would clean up was killed with it (%s)',
    async (controlChannel) => {
      vi.stubEnv(CHANNEL_VARIABLE, controlChannel);
      await using owner = await OwnerProcess.start(dataDir, {
        image: served.images.plain,
        command: { args: ['sleep', '1000'] },
        lifecycle: { onOwnerExit: 'keep' },
      });
      const processes = await machineProcesses(state());
      await owner.kill();
      for (const pid of processes) process.kill(pid, 'SIGKILL');
      expect(await survivors(processes)).toEqual([]);
      const left = await readdir(await runDirectory(state()));
      expect(left).toContain('control.sock');

      await using runtime = new QemuRuntime({ dataDir });
      expect(await runtime.recover()).toMatchObject([{ id: OWNED, state: { status: 'failed' } }]);
      await runtime.startContainer(OWNED);
      expect(await runtime.exec(OWNED, ['echo', 'hello'])).toMatchObject({ exitCode: 0, stdoutText: 'hello\n' });
      await runtime.removeContainer(OWNED, { force: true });
    },
  );

  it('is not noticed by what is paused, nor by its restart policy', async () => {
    await using owner = await OwnerProcess.start(dataDir, {
      image: served.images.plain,
      command: { args: ['sh', '-c', 'while :; do echo tick; sleep 1; done'] },
      lifecycle: { onOwnerExit: 'keep', restart: { policy: 'always', backoff: 10 } },
    });
    await using other = new QemuRuntime({ dataDir });
    await other.pauseContainer(OWNED);
    await owner.kill();

    await using runtime = new QemuRuntime({ dataDir });
    expect(await runtime.recover()).toMatchObject([{ state: { status: 'paused' } }]);
    await expect(runtime.exec(OWNED, ['true'])).rejects.toMatchObject({ code: 'CONFLICT' });
    const before = (await runtime.containerLogs(OWNED)).length;
    await runtime.unpauseContainer(OWNED);
    const output: string[] = [];
    for await (const { data } of runtime.attachContainer(OWNED)) {
      output.push(Buffer.from(data).toString());
      if (output.join('').includes('tick\n')) break;
    }
    expect(output.join('')).toContain('tick\n');
    // The log and those who are attached get it at the same time: either may have it first.
    await expect
      .poll(async () => (await runtime.containerLogs(OWNED)).length, { timeout: 10_000 })
      .toBeGreaterThan(before);

    const events = runtime.events();
    const [, qemu] = await machineProcesses(state());
    if (qemu === undefined) throw new Error('no QEMU was recorded');
    process.kill(qemu, 'SIGKILL');
    const seen: string[] = [];
    for await (const event of events) {
      seen.push(event.type === 'state' ? event.state.status : event.type);
      if (seen.at(-1) === 'running') break;
    }
    expect(seen).toEqual(['failed', 'exited', 'restarting', 'initializing', 'running']);
    await runtime.removeContainer(OWNED, { force: true });
  });
});

/** The server begins anew after each answer. */
async function answerOf(port: number): Promise<string> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const answer = await text(connect(port, '127.0.0.1')).catch(() => '');
    if (answer !== '') return answer;
    await delay(100);
  }
  return '';
}
