// What a container costs over the bare machine under it: start, exec, output, published ports, and memory of the
// program that owns it. Every figure stands beside its yardstick, measured in the same run.
//
//   node bench/vm/main.ts [ARCHITECTURE] [MEGABYTES] [RUNS]

import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { QemuRuntime } from '@zlayer/qemu';
import { parsePlatform } from '@zlayer/runtime-core';
import { serveBusybox } from '@zlayer/test-images';
import { resolveGuest } from '@zlayer/vzagent';
import { compileStatic } from '../../packages/vzagent/build/toolchain.ts';
import { bareBoot, makeBareInitramfs } from '../boot/bare-boot.ts';
import { type BenchContainer, BenchContainers } from './bench-containers.ts';
import { elapsed, median, type Row, TABLE_HEAD, tableRow } from './figures.ts';
import { nodeMemory, residentPeak } from './node-memory.ts';
import { bootRawGuest } from './raw-guest.ts';
import { measureCopied, measureStreams, type StreamFigures } from './stream-service.ts';

/** That of the bare boot. */
const SHAPE = { cpus: 2, memoryBytes: 512 * 1024 ** 2 };
const PROGRAM = '/guest-program';
const EXECS = 200;
const SERVICE_PORT = 8080;
const IDLE_CONTAINERS = 4;
const GROWTH_BYTES = 1e9;
const MiB = 1024 ** 2;

const { architecture } = parsePlatform(process.argv[2] ?? 'arm64');
const bytes = Number(process.argv[3] ?? 256) * 1e6;
const runs = Number(process.argv[4] ?? 3);

const folder = await mkdtemp(join(tmpdir(), 'vm-bench-'));
try {
  await measure();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const program = join(folder, 'guest-program');
  await compileStatic(architecture, ['guest-program.c'], import.meta.dirname, program);
  await using served = await serveBusybox({
    architectures: [architecture],
    images: { shell: { extra: [{ path: PROGRAM.slice(1), content: await readFile(program), mode: 0o755 }] } },
  });
  await using runtime = new QemuRuntime({ dataDir: join(folder, 'data') });
  const containers = new BenchContainers(runtime, served.images.shell, architecture, SHAPE);
  console.log(
    `${architecture} guests, ${SHAPE.cpus} CPUs, ${SHAPE.memoryBytes / MiB} MiB; ${bytes / 1e6} MB a stream.`,
  );
  console.log(`Node ${process.versions.node}, ${availableParallelism()} CPUs, load ${load()} at the beginning.\n`);
  console.log(TABLE_HEAD);
  const show = (row: Row): void => console.log(tableRow(row));
  show(await startToFirstByte(containers));
  show(await execTrue(containers));
  const raw = await rawVsock(program);
  for (const row of await outputs(containers, raw)) show(row);
  for (const row of await publishedPort(containers, raw)) show(row);
  show(await idleMemory(containers));
  show(await growth(containers));
  console.log(`\nLoad ${load()} at the end.`);
}

function load(): string {
  return (loadavg()[0] ?? Number.NaN).toFixed(1);
}

async function startToFirstByte(containers: BenchContainers): Promise<Row> {
  const { kernel } = await resolveGuest({ architecture });
  const initramfs = await makeBareInitramfs(architecture, folder);
  const bare: number[] = [];
  const whole: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    bare.push(await bareBoot({ architecture, kernel, initramfs }));
    await using container = await containers.create(['echo', 'hello']);
    whole.push(await elapsed(() => firstByte(containers, container)));
  }
  const ratio = median(whole) / median(bare);
  return {
    what: 'start to first byte',
    yardstick: `bare QEMU boot ${median(bare).toFixed(0)} ms`,
    measured: `${median(whole).toFixed(0)} ms`,
    result: `${ratio.toFixed(2)} ×`,
    goal: '≤ 1.15 ×',
    isMet: ratio <= 1.15,
  };
}

async function firstByte({ runtime }: BenchContainers, container: BenchContainer): Promise<void> {
  const output = runtime.attachContainer(container)[Symbol.asyncIterator]();
  const first = output.next();
  await runtime.startContainer(container);
  await first;
  await runtime.waitContainer(container);
}

async function execTrue(containers: BenchContainers): Promise<Row> {
  await using container = await containers.start(['sleep', '1000']);
  const { runtime } = containers;
  const forks = async (): Promise<number> => {
    const { stdoutText, exitCode } = await runtime.exec(container, [PROGRAM, 'forks', String(EXECS)]);
    if (exitCode !== 0) throw new Error(`the yardstick of fork and exec ended with ${exitCode}`);
    return Number(stdoutText) / 1000;
  };
  const before = await forks();
  const execs: number[] = [];
  for (let call = 0; call < EXECS; call += 1) execs.push(await elapsed(() => runtime.exec(container, ['true'])));
  const inGuest = (before + (await forks())) / 2;
  const more = median(execs) - inGuest;
  return {
    what: '`exec true`, p50',
    yardstick: `fork and exec in the guest ${inGuest.toFixed(2)} ms`,
    measured: `${median(execs).toFixed(2)} ms`,
    result: `+ ${more.toFixed(2)} ms`,
    goal: '< 3 ms more',
    isMet: more < 3,
  };
}

/** What a guest without an agent is capable of: writing by itself, and copying what another process writes. */
interface RawFigures extends StreamFigures {
  piped: number;
  overTcp: number;
}

async function rawVsock(program: string): Promise<RawFigures> {
  const place = join(folder, 'raw');
  await mkdir(place);
  await using guest = await bootRawGuest(architecture, program, place, SHAPE);
  const connect = (): Promise<Duplex> => guest.connect();
  const figures = await measureStreams(connect, bytes);
  const piped = await measureCopied(connect, bytes, 'pipe');
  return { ...figures, piped, overTcp: await measureCopied(connect, bytes, 'tcp') };
}

/** The output of a workload, which is also logged, and that of an exec. */
async function outputs(containers: BenchContainers, raw: RawFigures): Promise<Row[]> {
  const { runtime } = containers;
  const row = (what: string, rate: number): Row => rateRow(what, raw, rate, `from a pipe ${raw.piped.toFixed(0)} MB/s`);
  const rows: Row[] = [];
  const writes = [PROGRAM, 'write', String(bytes)];
  {
    await using container = await containers.start(['sleep', '1000']);
    const exec = async (): Promise<void> => {
      const process = await runtime.execStream(container, writes);
      let received = 0;
      for await (const chunk of process.stdout) received += chunk.length;
      if (received !== bytes) throw new Error(`${received} bytes of ${bytes} came`);
    };
    rows.push(row('output of an exec', bytes / 1e3 / (await elapsed(exec))));
  }
  {
    await using container = await containers.create(['sh', '-c', `echo; exec ${writes.join(' ')}`]);
    const output = runtime.attachContainer(container)[Symbol.asyncIterator]();
    await runtime.startContainer(container);
    await output.next();
    const whole = async (): Promise<void> => {
      while ((await output.next()).done !== true);
    };
    rows.push(row('output of a workload, logged and attached to', bytes / 1e3 / (await elapsed(whole))));
  }
  return rows;
}

async function publishedPort(containers: BenchContainers, raw: RawFigures): Promise<Row[]> {
  const { runtime } = containers;
  await using container = await containers.create([PROGRAM, 'serve', String(SERVICE_PORT)], { ports: [SERVICE_PORT] });
  const output = runtime.attachContainer(container)[Symbol.asyncIterator]();
  await runtime.startContainer(container);
  // It says when it listens.
  await output.next();
  const [mapping] = await runtime.portMappings(container);
  if (mapping === undefined) throw new Error('no port was published');
  const connect = async (): Promise<Duplex> => {
    const socket = createConnection(mapping.hostPort, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  };
  const { rate, answer } = await measureStreams(connect, bytes);
  const more = answer - raw.answer;
  return [
    rateRow('published port, one stream', raw, rate, `from TCP ${raw.overTcp.toFixed(0)} MB/s`),
    {
      what: 'published port, connection and answer, p50',
      yardstick: `raw vsock ${raw.answer.toFixed(2)} ms`,
      measured: `${answer.toFixed(2)} ms`,
      result: `+ ${more.toFixed(2)} ms`,
      goal: '< 3 ms more',
      isMet: more < 3,
    },
  ];
}

function rateRow(what: string, raw: StreamFigures, rate: number, copied: string): Row {
  const ratio = rate / raw.rate;
  return {
    what,
    yardstick: `raw vsock ${raw.rate.toFixed(0)} MB/s, copied ${copied}`,
    measured: `${rate.toFixed(0)} MB/s`,
    result: `${ratio.toFixed(2)} ×`,
    goal: '≥ 0.8 ×',
    isMet: ratio >= 0.8,
  };
}

async function idleMemory(containers: BenchContainers): Promise<Row> {
  await using stack = new AsyncDisposableStack();
  // What the first one brings into memory is not its own.
  stack.use(await containers.start(['sleep', '1000']));
  const before = await nodeMemory();
  for (let i = 0; i < IDLE_CONTAINERS; i += 1) stack.use(await containers.start(['sleep', '1000']));
  const after = await nodeMemory();
  const held = (after.held - before.held) / IDLE_CONTAINERS / MiB;
  const resident = (after.resident - before.resident) / IDLE_CONTAINERS / MiB;
  return {
    what: `memory of Node for an idle container (${IDLE_CONTAINERS} measured)`,
    yardstick: `resident ${(before.resident / MiB).toFixed(0)} MiB before`,
    measured: `held ${held.toFixed(2)} MiB`,
    result: `resident + ${resident.toFixed(2)} MiB`,
    goal: '< 1 MB',
    isMet: Math.max(held, resident) * MiB < 1e6,
  };
}

async function growth(containers: BenchContainers): Promise<Row> {
  const { runtime } = containers;
  const script = `read go; exec ${PROGRAM} write ${GROWTH_BYTES}`;
  await using container = await containers.start(['sh', '-c', script], { openStdin: true });
  const before = await nodeMemory();
  const peak = await residentPeak(async () => {
    await runtime.writeStdin(container, Buffer.from('go\n'));
    const { exitCode } = await runtime.waitContainer(container);
    if (exitCode !== 0) throw new Error(`the workload ended with ${exitCode}`);
  });
  const more = (peak - before.resident) / MiB;
  return {
    what: `growth of Node under ${GROWTH_BYTES / 1e9} GB of output`,
    yardstick: `resident ${(before.resident / MiB).toFixed(0)} MiB before`,
    measured: `peak ${(peak / MiB).toFixed(0)} MiB`,
    result: `+ ${more.toFixed(1)} MiB`,
    goal: '< 30 MB',
    isMet: more * MiB < 30e6,
  };
}
