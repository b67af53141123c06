import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, readFile, rm, statfs } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { removeRunDirectory, runDirectory } from '@zlayer/host';
import type { ServiceSpecInput } from '@zlayer/runtime-core';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { survivors } from '@zlayer/test-support';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QemuRuntime } from '../src/index.ts';
import { OWNED, OwnerProcess } from './owner-process.ts';
import { machineProcesses } from './processes.ts';

const { ZLAYER_SOAK_CYCLES, ZLAYER_SOAK_SEED } = process.env;
/** `ZLAYER_SOAK_CYCLES=200` is the long form; without it, as many as fit into two minutes. */
const CYCLES = Number(ZLAYER_SOAK_CYCLES ?? Number.POSITIVE_INFINITY);
const BUDGET_MS = ZLAYER_SOAK_CYCLES === undefined ? 120_000 : Number.POSITIVE_INFINITY;
/** The same again has the same faults again. */
const SEED = Number(ZLAYER_SOAK_SEED ?? Math.floor(Math.random() * 2 ** 31));
const DISK_BYTES = 256 * 1024 ** 2;
const GROWTH_BYTES = 16 * 1024 ** 2;

const run = promisify(execFile);
const id = { service: 'soak', replica: 0 };

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

describe.skipIf(process.getuid?.() !== 0)(
  'many containers after each other, with faults (a small disk needs root)',
  () => {
    let disk: string;
    let dataDir: string;
    let served: ServedImages<'plain'>;
    let runtime: QemuRuntime;

    beforeAll(async () => {
      disk = await mkdtemp(join(tmpdir(), 'zlayer-soak-'));
      await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'zlayer-soak', disk]);
      dataDir = join(disk, 'data');
      await mkdir(dataDir);
      served = await serveBusybox({ architectures: ['arm64'], images: { plain: {} } });
      runtime = new QemuRuntime({ dataDir });
    });
    afterAll(async () => {
      for (const left of [id, OWNED]) await runtime?.removeContainer(left, { force: true });
      await runtime?.close();
      await served?.[Symbol.asyncDispose]();
      await run('umount', [disk]);
      await rm(disk, { recursive: true, force: true });
    });

    const spec = (more: Partial<ServiceSpecInput> = {}): ServiceSpecInput => ({
      image: served.images.plain,
      platform: 'linux/arm64',
      command: { args: ['sh', '-c', 'trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done'] },
      resources: { cpu: 1, memory: '128Mi' },
      ...more,
    });

    const expectExec = async (container = id): Promise<void> => {
      expect(await runtime.exec(container, ['echo', 'hello'])).toMatchObject({ exitCode: 0, stdoutText: 'hello\n' });
    };

    const faults = {
      none: async () => {
        await runtime.createContainer(id, spec({ ports: [80] }));
        await runtime.startContainer(id);
        await expectExec();
        for await (const { data } of runtime.logsStream(id, { follow: true })) {
          if (Buffer.from(data).includes('ready')) break;
        }
        await runtime.stopContainer(id);
        expect(await runtime.waitContainer(id)).toMatchObject({ reason: 'exited', exitCode: 3 });
        await runtime.removeContainer(id);
      },
      'VMM killed': async () => {
        await runtime.createContainer(id, spec());
        await runtime.startContainer(id);
        await expectExec();
        const processes = await machineProcesses(join(dataDir, 'qemu', 'containers', 'soak-0'));
        process.kill(processes[1] ?? Number.NaN, 'SIGKILL');
        expect(await runtime.waitContainer(id)).toMatchObject({ reason: 'runtime-error', exitCode: undefined });
        expect(await survivors(processes)).toEqual([]);
        await runtime.removeContainer(id);
      },
      'owner killed': async () => {
        await using owner = await OwnerProcess.start(dataDir, spec({ lifecycle: { onOwnerExit: 'keep' } }));
        await owner.kill();
        expect(await runtime.recover()).toMatchObject([{ id: OWNED, state: { status: 'running' } }]);
        expect(await runtime.exec(OWNED, ['echo', 'hello'])).toMatchObject({ exitCode: 0, stdoutText: 'hello\n' });
        await runtime.removeContainer(OWNED, { force: true });
      },
      'disk full': async () => {
        await runtime.createContainer(id, spec());
        const filler = join(disk, 'filler');
        await fill(filler, disk);
        await expect(runtime.startContainer(id)).rejects.toThrow();
        await rm(filler);
        await runtime.startContainer(id);
        await expectExec();
        await runtime.removeContainer(id, { force: true });
      },
      'port taken': async () => {
        await using server = createServer().listen(0, '127.0.0.1');
        await once(server, 'listening');
        const { port } = server.address() as AddressInfo;
        await runtime.createContainer(id, spec({ ports: [`127.0.0.1:${port}:80`] }));
        await expect(runtime.startContainer(id)).rejects.toThrow(String(port));
        await runtime.removeContainer(id);
      },
    };

    it('leave no process, socket, file or memory', { timeout: 30 * 60_000 }, async () => {
      const random = randomOf(SEED);
      const names = Object.keys(faults) as (keyof typeof faults)[];
      const done: string[] = [];
      // What the first ones bring is not a leak.
      for (const name of names) await faults[name]();
      const before = await footprint(dataDir);
      const end = performance.now() + BUDGET_MS;
      for (let cycle = 0; cycle < CYCLES && performance.now() < end; cycle += 1) {
        const name = names[Math.floor(random() * names.length)] ?? 'none';
        done.push(name);
        await faults[name]().catch((cause: unknown) => {
          throw new Error(`cycle ${cycle} of ZLAYER_SOAK_SEED=${SEED}: ${name}`, { cause });
        });
      }
      const after = await footprint(dataDir);
      console.log(`soak: ${names.length + done.length} cycles, ZLAYER_SOAK_SEED=${SEED}`, before, after);
      expect(after).toEqual({ ...before, held: expect.any(Number) });
      expect(after).toMatchObject({ processes: [], sockets: [] });
      expect(after.held - before.held).toBeLessThan(GROWTH_BYTES);
    });
  },
);

/** What would stay behind: each as it is named where it is found. */
async function footprint(dataDir: string) {
  for (let round = 0; round < 5; round += 1) {
    collect();
    await delay(200);
  }
  const { heapUsed, external } = process.memoryUsage();
  return {
    processes: await processesNaming(dataDir),
    descriptors: (await readdir('/proc/self/fd')).length,
    children: await readFile(`/proc/self/task/${process.pid}/children`, 'utf8'),
    sockets: await socketPlaces(dataDir),
    files: (await readdir(join(dataDir, 'qemu'), { recursive: true })).sort(),
    held: heapUsed + external,
  };
}

async function processesNaming(text: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(() => '');
    if (command.includes(text)) found.push(`${pid} ${command.replaceAll('\0', ' ')}`);
  }
  return found;
}

/** Places for sockets of the containers' machines. */
async function socketPlaces(dataDir: string): Promise<string[]> {
  const aside = await runDirectory('a soak that looks around');
  const there = await readdir(dirname(aside));
  const found: string[] = [];
  for (const name of ['soak-0', 'owned-0']) {
    const place = await runDirectory(join(dataDir, 'qemu', 'containers', name));
    if (there.includes(basename(place))) found.push(place);
    else await removeRunDirectory(place);
  }
  await removeRunDirectory(aside);
  return found;
}

/** Takes all room of a file system. */
async function fill(path: string, fileSystem: string): Promise<void> {
  await using file = await open(path, 'w');
  const piece = Buffer.alloc(64 * 1024);
  const isFull = (error: unknown): void => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  };
  while ((await statfs(fileSystem)).bavail > 0) await file.write(piece).catch(isFull);
}

/** Numbers from 0 to 1, the same for the same seed (a linear congruential generator of 31 bits). */
function randomOf(seed: number): () => number {
  let state = seed % 2 ** 31;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fff_ffff;
    return state / 2 ** 31;
  };
}
