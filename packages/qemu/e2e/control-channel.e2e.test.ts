import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { runDirectory } from '@zlayer/host';
import type { ContainerId, ServiceSpecInput } from '@zlayer/runtime-core';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { survivors } from '@zlayer/test-support';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { callGuest, type GuestDoor } from '../src/channel/call-guest.ts';
import { CHANNEL_VARIABLE } from '../src/channel/control-channel.ts';
import { CALL_BYTES, makeCall, NONCE_BYTES } from '../src/channel/proof.ts';
import { portIn } from '../src/channel/tcp-channel.ts';
import { Turns } from '../src/channel/turns.ts';
import { QemuRuntime } from '../src/index.ts';
import { qmpCommand } from '../src/qmp-client.ts';
import { OWNED, OwnerProcess } from './owner-process.ts';
import { machineProcesses } from './processes.ts';

const id: ContainerId = { service: 'channel', replica: 0 };
const AGENT = 1024;
/** As long as the agent waits for a proof, and some more. */
const PATIENCE_MS = 13_000;
const SERVER =
  'i=0; while [ $i -lt 20 ]; do echo line $i; i=$((i+1)); done; while :; do echo answer | nc -l -p 7777; done';
const LOGGED = Array.from({ length: 20 }, (_, i) => `line ${i}\n`).join('');

async function logOf(runtime: QemuRuntime, container: ContainerId): Promise<string> {
  const chunks = await runtime.containerLogs(container);
  return Buffer.concat(chunks.map(({ data }) => data)).toString();
}

/** Where a machine's channel is on this host, and its secret: what only the machine's owner can find out. */
async function doorOf(stateDirectory: string): Promise<GuestDoor> {
  const directory = await runDirectory(stateDirectory);
  const list = await qmpCommand(
    join(directory, 'qmp.sock'),
    'human-monitor-command',
    { 'command-line': 'info usernet' },
    {},
  );
  const token = await readFile(join(directory, 'token'));
  return { host: '127.0.0.1', port: portIn(String(list)) ?? 0, token, turns: new Turns(2) };
}

/** All that is said before the other side hangs up. */
async function heardBy(socket: Socket): Promise<number> {
  let heard = 0;
  socket
    .on('error', () => {})
    .on('data', (chunk) => {
      heard += chunk.length;
    });
  await new Promise((resolve) => socket.once('close', resolve));
  return heard;
}

describe('a machine without a vsock', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;
  let runtime: QemuRuntime;
  const stateOf = ({ service }: ContainerId): string => join(dataDir, 'qemu', 'containers', `${service}-0`);

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-channel-'));
    served = await serveBusybox({ architectures: ['amd64', 'arm64'], images: { plain: {} } });
    runtime = new QemuRuntime({ dataDir, controlChannel: 'tcp' });
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await runtime.removeContainer(id, { force: true });
  });
  afterAll(async () => {
    await runtime?.close();
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const start = async (spec: Partial<ServiceSpecInput>): Promise<void> => {
    await runtime.createContainer(id, { image: served.images.plain, command: { args: ['sh', '-c', SERVER] }, ...spec });
    await runtime.startContainer(id);
  };
  const sh = async (script: string, user?: string): Promise<string> => {
    const { stdoutText, stderrText } = await runtime.exec(id, ['sh', '-c', script], user ? { user } : {});
    return stdoutText + stderrText;
  };

  it.each(['amd64', 'arm64'] as const)('runs, serves, pauses and stops all the same (%s)', async (architecture) => {
    await start({ platform: `linux/${architecture}`, ports: [7777] });
    const processes = await machineProcesses(stateOf(id));
    expect(await readdir(await runDirectory(stateOf(id)))).not.toContain('vsock.sock');

    const execs = Array.from({ length: 10 }, (_, i) => runtime.exec(id, ['echo', `exec ${i}`]));
    expect((await Promise.all(execs)).map(({ stdoutText }) => stdoutText)).toEqual(execs.map((_, i) => `exec ${i}\n`));
    const [mapping] = await runtime.portMappings(id);
    const answer = async () => await text(createConnection(mapping?.hostPort ?? 0, '127.0.0.1')).catch(() => '');
    await expect.poll(answer, { timeout: 20_000 }).toBe('answer\n');
    expect((await sh('head -c 20000000 /dev/zero | wc -c')).trim()).toBe('20000000');
    expect(await logOf(runtime, id)).toBe(LOGGED);

    await runtime.pauseContainer(id);
    await expect(runtime.exec(id, ['true'])).rejects.toMatchObject({ code: 'CONFLICT' });
    await runtime.unpauseContainer(id);
    expect(await sh('echo again')).toBe('again\n');

    await runtime.stopContainer(id, { timeoutMs: 0 });
    expect(await runtime.waitContainer(id)).toMatchObject({ exitCode: 137 });
    expect(await survivors(processes)).toEqual([]);
    // With the machine, its secret is gone.
    expect(await readdir(await runDirectory(stateOf(id)))).toEqual([]);
    await rm(await runDirectory(stateOf(id)), { recursive: true });
  });

  it.each(['amd64', 'arm64'] as const)('is adopted when its owner was killed (%s)', async (architecture) => {
    vi.stubEnv(CHANNEL_VARIABLE, 'tcp');
    await using owner = await OwnerProcess.start(dataDir, {
      ...{ image: served.images.plain, platform: `linux/${architecture}`, command: { args: ['sh', '-c', SERVER] } },
      ...{ ports: [7777], lifecycle: { onOwnerExit: 'keep' } },
    });
    // The machine remembers what it was made with, whatever is the default now.
    vi.stubEnv(CHANNEL_VARIABLE, 'vsock');
    await owner.kill();
    await using heir = new QemuRuntime({ dataDir });
    expect(await heir.recover()).toMatchObject([{ id: OWNED, state: { status: 'running' } }]);
    expect(await heir.exec(OWNED, ['echo', 'hello'])).toMatchObject({ stdoutText: 'hello\n' });
    const [mapping] = await heir.portMappings(OWNED);
    const answer = async () => await text(createConnection(mapping?.hostPort ?? 0, '127.0.0.1')).catch(() => '');
    await expect.poll(answer, { timeout: 20_000 }).toBe('answer\n');
    expect(await logOf(heir, OWNED)).toBe(LOGGED);
    await heir.removeContainer(OWNED, { force: true });
  });

  it('gives nothing to programs of this host that do not know its token', async () => {
    await start({ platform: 'linux/arm64', networkMode: 'none' });
    const door = await doorOf(stateOf(id));
    const { host, port, token } = door;
    const dial = (): Socket => createConnection(port, host);

    // A frame of the protocol, which the agent answers on a connection.
    const frame = Buffer.from('020000000c0b', 'hex');
    for (const said of [
      Buffer.concat(Array.from({ length: 50 }, () => frame)),
      Buffer.alloc(CALL_BYTES),
      randomBytes(200_000),
    ]) {
      const socket = dial();
      socket.write(said);
      expect(await heardBy(socket)).toBeLessThanOrEqual(NONCE_BYTES);
    }
    const wrong = callGuest({ ...door, token: randomBytes(32) }, AGENT);
    await expect(wrong).rejects.toMatchObject({ code: 'NETWORK' });

    const first = dial();
    const [nonce] = (await once(first, 'data')) as [Buffer];
    const call = makeCall(token, nonce, randomBytes(NONCE_BYTES), AGENT);
    first.write(call);
    await once(first, 'data');
    first.destroy();
    const replay = dial();
    replay.write(call);
    expect(await heardBy(replay)).toBeLessThanOrEqual(NONCE_BYTES);

    const flood = Array.from({ length: 300 }, () =>
      dial()
        .on('error', () => {})
        .resume(),
    );
    for (let i = 0; i < 5; i += 1) expect(await sh(`echo ${i}`)).toBe(`${i}\n`);
    for (const socket of flood) socket.destroy();
    // Whoever says nothing is not waited for, and but a few are at all.
    const began = performance.now();
    const closed: Promise<unknown>[] = [];
    for (let i = 0; i < 100; i += 1) {
      const socket = dial().on('error', () => {});
      closed.push(new Promise((resolve) => socket.once('close', resolve)));
      await once(socket, 'data');
    }
    await Promise.all(closed.slice(0, 30));
    await Promise.all(closed);
    expect(performance.now() - began).toBeLessThan(PATIENCE_MS);

    const processes = await machineProcesses(stateOf(id));
    for (const pid of processes) {
      const argv = await readFile(`/proc/${pid}/cmdline`, 'latin1');
      for (const form of ['hex', 'base64', 'latin1'] as const)
        expect(argv).not.toContain(Buffer.from(token).toString(form));
    }
    const file = join(await runDirectory(stateOf(id)), 'token');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('gives its workload neither the token nor a way to the agent, whoever it runs as', async () => {
    await start({ platform: 'linux/arm64', capabilities: { add: ['SYS_ADMIN', 'NET_ADMIN', 'NET_RAW'] } });
    const { port, token } = await doorOf(stateOf(id));
    for (const user of ['0:0', '1000:1000']) {
      for (const address of ['127.0.0.1', '10.0.2.15', '10.0.2.100', '0.0.0.0']) {
        expect(await sh(`nc -w 3 ${address} ${AGENT} </dev/null | wc -c`, user)).toMatch(/^0\n/);
      }
      // The host's end of the channel is within reach where the host's loopback is, and gives a nonce to anybody.
      const heard = await sh(`(head -c 1000 /dev/zero; sleep 1) | nc -w 5 10.0.2.2 ${port} | wc -c`, user);
      expect(Number.parseInt(heard, 10)).toBeLessThanOrEqual(NONCE_BYTES);
    }
    expect(await sh('cat /proc/net/dev')).not.toContain('eth1');
    expect(await sh('cat /proc/net/dev | grep -c eth')).toBe('1\n');
    expect(await sh('ls -A /sys/firmware')).toBe('');
    expect(await sh('mkdir /tmp/sys; mount -t sysfs none /tmp/sys && ls /tmp/sys/firmware')).not.toContain('fw_cfg');
    expect(await sh('cat /proc/modules')).not.toContain('fw_cfg');
    const words = await sh('cat /proc/cmdline');
    for (const form of ['hex', 'base64'] as const) expect(words).not.toContain(Buffer.from(token).toString(form));
  });
});
