import type { ExitResult } from '@zlayer/runtime-core';
import type { ProcessExit } from '@zlayer/vzagent-proto';

const OOM_EXIT_CODE = 137;

/** How a process ended, as the contract tells it. */
export function exitResult({ code, signal, oomKilled }: ProcessExit): ExitResult {
  if (oomKilled === true) return { reason: 'oom-killed', exitCode: OOM_EXIT_CODE };
  return signal === null ? { reason: 'exited', exitCode: code } : { reason: 'signal', exitCode: code, signal };
}
