// How long a guest takes from QEMU's launch until its agent listens and until a workload's first output, beside a bare
// boot of the same kernel to an init of one line.
//
//   node bench/boot/main.ts [RUNS] [ARCHITECTURE…]

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileStatic } from '../../packages/vzagent/build/toolchain.ts';
import { makeContainerRoot } from '../../packages/vzagent/e2e/testing/container-root.ts';
import { Machine, machineArguments } from '../../packages/vzagent/e2e/testing/machine.ts';
import { agentPath, resolveGuest, writeCpio } from '../../packages/vzagent/src/index.ts';

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
  const times = { bare: [] as number[], ready: [] as number[], output: [] as number[] };
  for (let run = 0; run < runs; run++) {
    times.bare.push(await bareBoot(architecture, guest.kernel, bareInitramfs));
    const { ready, output } = await agentBoot(architecture, guest.kernel, guest.initramfs, rootfs);
    times.ready.push(ready);
    times.output.push(output);
  }
  const [bare, ready, output] = [median(times.bare), median(times.ready), median(times.output)];
  const size = async (path: string) => `${Math.round((await stat(path)).size / 1024)} KiB`;
  console.log(`${architecture}, kernel ${guest.kernelVersion}, median of ${runs} runs`);
  console.log(`  agent ${await size(agentPath(architecture))}, initramfs ${await size(guest.initramfs)}`);
  console.log(`  bare boot to user space      ${bare.toFixed(0)} ms`);
  console.log(`  agent listens                ${ready.toFixed(0)} ms  (${(ready / bare).toFixed(2)} × bare)`);
  console.log(`  first output of a workload   ${output.toFixed(0)} ms  (${(output / bare).toFixed(2)} × bare)`);
}

async function makeBareInitramfs(architecture: Architecture, folder: string): Promise<string> {
  const init = join(folder, 'init');
  await compileStatic(architecture, ['init.c'], import.meta.dirname, init);
  const path = join(folder, 'bare.cpio');
  const archive = writeCpio([
    { type: 'file', path: 'init', data: await readFile(init), mode: 0o755 },
    { type: 'directory', path: 'dev' },
    { type: 'character-device', path: 'dev/console', major: 5, minor: 1 },
  ]);
  await writeFile(path, archive);
  return path;
}

async function bareBoot(architecture: Architecture, kernel: string, initramfs: string): Promise<number> {
  const { program, args } = machineArguments({ architecture, kernel, initramfs });
  const began = performance.now();
  const qemu = spawn(program, [...args, '-serial', 'stdio'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(qemu, 'exit');
  try {
    let text = '';
    for await (const chunk of qemu.stdout) {
      text += chunk;
      if (text.includes('user space')) return performance.now() - began;
    }
    throw new Error(`the bare guest ended: ${text}`);
  } finally {
    qemu.kill('SIGKILL');
    await ended;
  }
}

async function agentBoot(
  architecture: Architecture,
  kernel: string,
  initramfs: string,
  rootfs: string,
): Promise<{ ready: number; output: number }> {
  await using machine = await Machine.boot({ architecture, kernel, initramfs, rootfs });
  await using connection = await machine.connect();
  connection.run(['echo', 'hello']);
  for (let message = await connection.next(); message !== undefined; message = await connection.next()) {
    if (message.type === 'Stdout') {
      return { ready: (await machine.ready) - machine.launched, output: performance.now() - machine.launched };
    }
  }
  throw new Error('the workload wrote nothing');
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}
