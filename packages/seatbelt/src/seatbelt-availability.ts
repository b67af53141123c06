import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import type { Availability } from '@zlayer/runtime-core';
import { formatProfile } from './format-profile.ts';
import { sandboxExecArguments } from './sandbox-profile.ts';

const TRUE = '/usr/bin/true';
const EMPTY = '/private/var/empty';
const TIMEOUT_MS = 10_000;

export interface SeatbeltAvailabilityOptions {
  signal?: AbortSignal | undefined;
  /** Default: `/usr/bin/sandbox-exec`. */
  program?: string | undefined;
}

/** Whether this process can run others under a profile; it tries it, with the least that this package writes. */
export async function seatbeltAvailability(options: SeatbeltAvailabilityOptions = {}): Promise<Availability> {
  const { signal, program = '/usr/bin/sandbox-exec' } = options;
  signal?.throwIfAborted();
  const runs = await access(program, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!runs) {
    return {
      available: false,
      reason: `${program} cannot be run; Seatbelt is part of macOS, and this is ${process.platform}.`,
      remedy: 'Run native processes on a Mac; on other systems use a runtime of virtual machines.',
    };
  }
  const complaint = await complaintOf(program, signal);
  if (complaint === undefined) return { available: true };
  return {
    available: false,
    reason: `${program} does not apply a profile: ${complaint}`,
    remedy: 'Do not start this program under a profile itself: a process under one cannot apply a second one.',
  };
}

function complaintOf(program: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const options = { timeout: TIMEOUT_MS, killSignal: 'SIGKILL' as const, signal };
    const args = sandboxExecArguments(formatProfile({ rootfs: EMPTY, workspace: EMPTY }), [TRUE]);
    execFile(program, args, options, (error, _stdout, stderr) => {
      if (signal?.aborted) reject(signal.reason);
      else resolve(error === null ? undefined : stderr.trim().slice(0, 1024) || error.message);
    });
  });
}
