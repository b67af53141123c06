// Pulling and unpacking one image from a registry on the loopback interface: this project into a directory and into an
// EROFS image, beside `podman pull` with the overlay driver and (once) `skopeo copy` with `umoci unpack`; then the same
// with an image of twice the size. Needs root, what README.md names, and some gigabytes below TMPDIR.
//
//   node bench/oci/main.ts [RUNS] [NAME]
//
// With a NAME only those are measured whose name has it in it: `node bench/oci/main.ts 3 zlayer` for memory alone.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pushLayout, startRegistry } from '../../packages/oci-pull/dist/testing.js';
import { benchImage } from './image.ts';
import { ScratchDisk } from './scratch-disk.ts';

const run = promisify(execFile);
const runs = Number(process.argv[2] ?? 5);
const wanted = process.argv[3] ?? '';
const program = fileURLToPath(new URL('pull.mjs', import.meta.url));

interface Cost {
  /** Seconds. */
  readonly wall: number;
  readonly cpu: number;
  /** MiB, of the largest process. */
  readonly memory: number;
}

type Puller = (reference: string, folder: string) => Promise<Cost>;

const again: number[] = [];

const ours =
  (target: 'directory' | 'erofs'): Puller =>
  async (reference, folder) => {
    const { cost, output } = await measured(folder, process.execPath, [program, target, reference, folder]);
    again.push(Number(output));
    return cost;
  };

const slow = 'skopeo + umoci';

const allPullers: Record<string, Puller> = {
  'podman pull': async (reference, folder) => {
    const storage = ['--root', `${folder}/root`, '--runroot', `${folder}/run`, '--storage-driver', 'overlay'];
    const { cost } = await measured(folder, 'podman', [...storage, 'pull', '-q', '--tls-verify=false', reference]);
    return cost;
  },
  [slow]: async (reference, folder) => {
    const options = ['--insecure-policy', 'copy', '-q', '--src-tls-verify=false'];
    const copy = [...options, `docker://${reference}`, `oci:${folder}/layout:a`];
    const first = await measured(folder, 'skopeo', copy);
    const unpack = ['unpack', '--image', `${folder}/layout:a`, `${folder}/bundle`];
    const { cost } = await measured(folder, 'umoci', unpack);
    const { wall, cpu, memory } = first.cost;
    return { wall: wall + cost.wall, cpu: cpu + cost.cpu, memory: Math.max(memory, cost.memory) };
  },
  'zlayer, directory': ours('directory'),
  'zlayer, EROFS': ours('erofs'),
};

const pullers = Object.fromEntries(Object.entries(allPullers).filter(([name]) => name.includes(wanted)));

async function measured(
  folder: string,
  command: string,
  parameters: string[],
): Promise<{ cost: Cost; output: string }> {
  const report = join(folder, 'time');
  const { stdout } = await run('/usr/bin/time', ['-f', '%e %U %S %M', '-o', report, command, ...parameters]);
  const [wall = 0, user = 0, system = 0, kilobytes = 0] = (await readFile(report, 'utf8')).split(/\s/).map(Number);
  return { cost: { wall, cpu: user + system, memory: kilobytes / 1024 }, output: stdout };
}

async function measure(copies: 1 | 2): Promise<void> {
  const { layout, name, compressedBytes } = await benchImage(copies);
  await using registry = await startRegistry();
  const reference = `${registry.host}/bench:${copies}`;
  await pushLayout(layout, name, reference);
  const costs = new Map<string, Cost[]>(Object.keys(pullers).map((puller) => [puller, []]));
  // Nothing is removed before the end: see there.
  await using disk = await ScratchDisk.make();
  for (let round = 0; round < runs; round++) {
    for (const [puller, pull] of Object.entries(pullers)) {
      if (puller === slow && round > 0) continue;
      const folder = await mkdtemp(join(disk.path, 'run-'));
      costs.get(puller)?.push(await pull(reference, folder));
      // The second one for the disk's own file, into which the first one writes.
      for (let pass = 0; pass < 2; pass++) await run('sync');
    }
  }
  console.log(`${(compressedBytes / 1e6).toFixed(0)} MB compressed, median of ${runs} runs`);
  const yardstick = medians(costs.get('podman pull') ?? [...costs.values()][0] ?? []);
  for (const [puller, all] of costs) {
    const { wall, cpu, memory } = medians(all);
    const against = (value: number, other: number) => `(${(value / other).toFixed(2)} ×)`;
    const columns = [
      `${wall.toFixed(2)} s ${against(wall, yardstick.wall)}`,
      `CPU ${cpu.toFixed(2)} s ${against(cpu, yardstick.cpu)}`,
      `${memory.toFixed(0)} MiB ${against(memory, yardstick.memory)}`,
    ];
    console.log(`  ${puller.padEnd(18)} ${columns.join('  ')}`);
  }
}

function medians(costs: readonly Cost[]): Cost {
  const of = (key: keyof Cost) => median(costs.map((cost) => cost[key]));
  return { wall: of('wall'), cpu: of('cpu'), memory: of('memory') };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? Number.NaN) + (sorted[sorted.length >> 1] ?? Number.NaN)) / 2;
}

await measure(1);
await measure(2);
if (again.length > 0) console.log(`zlayer, the same image again: ${median(again).toFixed(1)} ms`);
