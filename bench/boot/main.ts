// How long a guest takes from QEMU's launch until its agent listens, until it has answered the host's Hello, and until a
// workload's first output, beside a bare boot of the same machine and kernel to an init of one line.
//
//   node bench/boot/main.ts [RUNS] [ARCHITECTURE…]

import { mkdtemp, rm, stat } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeContainerRoot } from '../../packages/vzagent/e2e/testing/container-root.ts';
import { Machine, type MachineOptions } from '../../packages/vzagent/e2e/testing/machine.ts';
import { agentPath, resolveGuest } from '../../packages/vzagent/src/index.ts';
import { bareBoot, makeBareInitramfs } from './bare-boot.ts';

type Architecture = Parameters<typeof agentPath>[0];

const runs = Number(process.argv[2] ?? 5);
const chosen = process.argv.slice(3);

for (const architecture of (chosen.length > 0 ? chosen : ['amd64', 'arm64']) as Architecture[]) {
  const folder = await mkdtemp(join(tmpdir(), 'boot-bench-'));
  try {
    await measure(architecture, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(architecture: Architecture, folder: string): Promise<void> {
  const guest = await resolveGuest({ architecture });
  const rootfs = join(folder, 'rootfs');
  await makeContainerRoot(rootfs, architecture);
  const bareInitramfs = await makeBareInitramfs(architecture, folder);
  const times = { bare: [] as number[], ready: [] as number[], hello: [] as number[], output: [] as number[] };
  for (let run = 0; run < runs; run++) {
    times.bare.push(await bareBoot({ architecture, kernel: guest.kernel, initramfs: bareInitramfs, rootfs }));
    const boot = await agentBoot({ architecture, kernel: guest.kernel, initramfs: guest.initramfs, rootfs });
    times.ready.push(boot.ready);
    times.hello.push(boot.hello);
    times.output.push(boot.output);
  }
  const bare = median(times.bare);
  const line = (what: string, values: readonly number[]) =>
    console.log(`  ${what.padEnd(28)} ${median(values).toFixed(0)} ms  (${(median(values) / bare).toFixed(2)} × bare)`);
  const size = async (path: string) => `${Math.round((await stat(path)).size / 1024)} KiB`;
  const load = loadavg()[0]?.toFixed(1);
  console.log(`${architecture}, kernel ${guest.kernelVersion}, median of ${runs} runs, load ${load}`);
  console.log(`  agent ${await size(agentPath(architecture))}, initramfs ${await size(guest.initramfs)}`);
  line('bare boot to user space', times.bare);
  line('agent listens', times.ready);
  line('Hello answered', times.hello);
  line('first output of a workload', times.output);
}

async function agentBoot(options: MachineOptions): Promise<{ ready: number; hello: number; output: number }> {
  await using machine = await Machine.boot(options);
  const since = () => performance.now() - machine.launched;
  await using connection = await machine.connect();
  await connection.ask({ type: 'Hello', version: 1, features: [], software: 'bench' }, 'Hello');
  const hello = since();
  connection.run(['echo', 'hello']);
  await connection.expect('Started');
  await connection.expect('Stdout');
  return { ready: (await machine.ready) - machine.launched, hello, output: since() };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}
