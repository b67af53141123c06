import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { bootIdentity } from './boot-identity.ts';
import { systemErrorCode } from './errors.ts';

/** A process, told apart from a later one that was given the same number: `<pid>-<start>`. */
export type ProcessIdentity = string;

let own: ProcessIdentity | undefined;

export function ownIdentity(): ProcessIdentity {
  own ??= `${process.pid}-${startOf(process.pid) ?? 'unknown'}`;
  return own;
}

/**
 * Tells whether a process certainly no longer runs.
 * What cannot be decided (no start time to compare, or a text of another form) counts as alive: nothing of it is taken.
 */
export function isGone(identity: ProcessIdentity): boolean {
  const match = /^([0-9]{1,10})-([0-9a-z.]+)$/.exec(identity);
  if (match === null) return false;
  const pid = Number(match[1]);
  if (!exists(pid)) return true;
  const start = startOf(pid);
  return start !== undefined && match[2] !== 'unknown' && start !== match[2];
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) !== 'ESRCH';
  }
}

function startOf(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      // The name in parentheses may hold anything, so count from its end: the start time is field 22, the state field 3.
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
      // Ticks count from the boot, so after a reboot the same number can come again.
      const boot = bootIdentity()?.slice(0, 8);
      return ticks === undefined || boot === undefined ? undefined : `${boot}.${ticks}`;
    }
    const options = { env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' }, encoding: 'latin1', stdio: 'pipe' } as const;
    const started = Date.parse(`${execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], options).trim()} UTC`);
    return Number.isNaN(started) ? undefined : `t${started}`;
  } catch {
    return undefined;
  }
}
