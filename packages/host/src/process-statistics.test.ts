import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { parseCpuTime, processStatistics } from './process-statistics.ts';

test('processes are measured together, and those that are gone not at all', async () => {
  const code = 'const b = Buffer.alloc(50e6, 1); while (process.cpuUsage().user < 200_000); console.log(b.length)';
  const child = spawn(process.execPath, ['-e', `${code}; setInterval(() => b, 1000)`]);
  try {
    await once(child.stdout, 'data');
    const one = await processStatistics([child.pid ?? 0]);
    expect(one.processes).toBe(1);
    expect(one.residentBytes).toBeGreaterThan(50e6);
    expect(one.residentBytes).toBeLessThan(300e6);
    expect(one.cpuTimeNs).toBeGreaterThanOrEqual(100_000_000n);
    expect(one.cpuTimeNs).toBeLessThan(10_000_000_000n);
    expect((await processStatistics([child.pid ?? 0, process.pid, 999_999_999])).processes).toBe(2);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  expect(await processStatistics([child.pid ?? 0])).toEqual({ processes: 0 });
});

test.each([
  ['0:00.05', 50_000_000n],
  ['12:34', 754_000_000_000n],
  ['1:00:00', 3_600_000_000_000n],
  ['2-00:00:01', 172_801_000_000_000n],
])('a CPU time of %s is read as ps means it', (text, nanoseconds) => {
  expect(parseCpuTime(text)).toBe(nanoseconds);
});
