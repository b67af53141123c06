import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Linux tells CPU times to programs in these, whatever its kernel counts in. */
const TICK_NS = 10_000_000n;

/** What processes cost. What could not be measured is `undefined`. */
export interface ProcessStatistics {
  /** How many of them run. */
  processes: number;
  /** Memory that they take together; what they share is counted once, what they share with others in proportion. */
  residentBytes?: number | undefined;
  /** CPU time that they have used so far, in nanoseconds. */
  cpuTimeNs?: bigint | undefined;
}

interface Sample {
  residentBytes: number;
  cpuTimeNs: bigint;
}

/** Measures processes, such as a VMM with its helpers. Those that have ended are left out. */
export async function processStatistics(pids: readonly number[]): Promise<ProcessStatistics> {
  const measure = process.platform === 'linux' ? measureByProc : measureByPs;
  const samples = (await Promise.all(pids.map(measure))).filter((sample) => sample !== undefined);
  if (samples.length === 0) return { processes: 0 };
  return {
    processes: samples.length,
    residentBytes: samples.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
    cpuTimeNs: samples.reduce((sum, { cpuTimeNs }) => sum + cpuTimeNs, 0n),
  };
}

async function measureByProc(pid: number): Promise<Sample | undefined> {
  try {
    const [stat, memory] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'latin1'),
      readFile(`/proc/${pid}/smaps_rollup`, 'latin1'),
    ]);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(memory)?.[1];
    if (kilobytes === undefined) return undefined;
    const ticks = BigInt(fields[11] ?? 0) + BigInt(fields[12] ?? 0);
    return { residentBytes: Number(kilobytes) * 1024, cpuTimeNs: ticks * TICK_NS };
  } catch {
    return undefined;
  }
}

async function measureByPs(pid: number): Promise<Sample | undefined> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=,time=', '-p', String(pid)]);
    const [rss = '', time = ''] = stdout.trim().split(/\s+/);
    return { residentBytes: Number(rss) * 1024, cpuTimeNs: parseCpuTime(time) };
  } catch {
    return undefined;
  }
}

/** Reads `[[DAYS-]HOURS:]MINUTES:SECONDS[.FRACTION]`. */
export function parseCpuTime(text: string): bigint {
  const match = /^(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)(?:\.(\d{1,9}))?$/.exec(text);
  if (match === null) throw new RangeError(`${text} is no CPU time`);
  const [, days = '0', hours = '0', minutes = '0', seconds = '0', fraction = ''] = match;
  const whole = ((BigInt(days) * 24n + BigInt(hours)) * 60n + BigInt(minutes)) * 60n + BigInt(seconds);
  return whole * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
}
