import { setTimeout as delay } from 'node:timers/promises';

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
