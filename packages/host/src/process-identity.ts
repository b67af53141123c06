import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hostProgramPath } from './host-program.ts';

/** A process, told apart from any other that has or will have the same number. */
export interface ProcessIdentity {
  pid: number;
  /** Linux: `BOOT-ID/TICKS`; macOS: `SECONDS.MICROSECONDS`. To be compared, not to be read. */
  startTime: string;
}

/** Who has a pid now, or `undefined` if nobody has; a process that has ended and was not reaped yet is nobody. */
export function processIdentity(pid: number): ProcessIdentity | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  const startTime = process.platform === 'linux' ? linuxStartTime(pid) : startTimeByProgram(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Whether exactly that process runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return processIdentity(identity.pid)?.startTime === identity.startTime;
}

function linuxStartTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The second field, the command's name, is in parentheses and may hold anything: count from behind the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const ticks = fields[19];
  if (ticks === undefined || state === 'Z' || state === 'X') return undefined;
  return `${bootId()}/${ticks}`;
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** Other systems have no file to read it from. */
function startTimeByProgram(pid: number): string | undefined {
  const { status, stdout } = spawnSync(hostProgramPath(), ['--identity', String(pid)], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}
