import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What this process holds, in bytes. */
export interface NodeMemory {
  /** Objects and buffers that are in use. */
  held: number;
  /** What the kernel counts. */
  resident: number;
}

/** After everything is collected that nobody uses. */
export async function nodeMemory(): Promise<NodeMemory> {
  for (let round = 0; round < 3; round += 1) {
    collect();
    await delay(100);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { held: heapUsed + external, resident: rss };
}

/** The most that was resident while something ran: the kernel's own mark, which misses nothing between two looks. */
export async function residentPeak(run: () => Promise<void>): Promise<number> {
  await writeFile('/proc/self/clear_refs', '5');
  await run();
  const status = await readFile('/proc/self/status', 'utf8');
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  if (peak === undefined) throw new Error('the kernel tells no peak of memory');
  return Number(peak) * 1024;
}
