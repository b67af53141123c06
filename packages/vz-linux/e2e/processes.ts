import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

/** The process id of a machine's `vz-host`. */
export async function hostPid(stateDirectory: string): Promise<number> {
  return (JSON.parse(await readFile(join(stateDirectory, 'vm.json'), 'utf8')) as { pid: number }).pid;
}

/** The processes that the double has started for a `vz-host`: zlayer-host, QEMU and its helpers. */
export async function emulatorsOf(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid=,ppid=']);
  const lines = stdout.trim().split('\n');
  const all = lines.map((line) => line.trim().split(/\s+/).map(Number));
  const below = (parent: number): number[] =>
    all.flatMap(([child = 0, of]) => (of === parent ? [child, ...below(child)] : []));
  return below(pid);
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
