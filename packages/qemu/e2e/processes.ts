import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

interface RecordedProcess {
  pid: number;
  name?: string;
}

/** Process ids of a machine and of everything that belongs to it, as its host program has recorded them. */
export async function machineProcesses(stateDirectory: string): Promise<number[]> {
  const status = JSON.parse(await readFile(join(stateDirectory, 'vm.json'), 'utf8')) as RecordedProcess & {
    main: RecordedProcess;
    helpers: RecordedProcess[];
  };
  return [status, status.main, ...status.helpers].map(({ pid }) => pid);
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Those that are still there after a while; empty as soon as all are gone. */
export async function survivors(pids: readonly number[], patienceMs = 5000): Promise<number[]> {
  for (const end = performance.now() + patienceMs; ; await delay(50)) {
    const alive = pids.filter(isRunning);
    if (alive.length === 0 || performance.now() > end) return alive;
  }
}
