import { signalNumber } from '@zlayer/runtime-core';
import { WORKLOAD } from './guest.ts';
import type { Run } from './run.ts';

/** How long a guest may take to carry out SIGKILL before its machine is turned off. */
const KILL_TIMEOUT_MS = 5000;

const SIGKILL = signalNumber('SIGKILL');

export interface EndWorkloadOptions {
  stopSignal: number;
  /** How long the stop signal has to work; 0: it is not even sent. */
  timeoutMs: number;
  /** Called when there is no more time to lose: nobody may hold up the end from here on. */
  onHurry(): void;
}

/** Ends a workload: with its stop signal, with SIGKILL, or with its machine. Resolves when one of them has worked. */
export async function endWorkload(run: Run, { stopSignal, timeoutMs, onHurry }: EndWorkloadOptions): Promise<void> {
  if (timeoutMs > 0 && (await endsBy(run, stopSignal, timeoutMs))) return;
  onHurry();
  run.workload.hurry();
  if (await endsBy(run, SIGKILL, KILL_TIMEOUT_MS)) return;
  await run.guest.machine.vm.kill();
}

/** Whether a signal ends the workload in time; its machine may still put its disks in order then. */
async function endsBy({ guest, workload }: Run, signum: number, timeoutMs: number): Promise<boolean> {
  const timeout = Promise.withResolvers<false>();
  const timer = setTimeout(() => timeout.resolve(false), timeoutMs);
  // A machine that takes no signal any more is about to end, or will be ended.
  guest.machine.agent.signal(WORKLOAD, signum, 'process', { timeoutMs }).catch(() => {});
  try {
    return await Promise.race([workload.exited.then(() => true), timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}
