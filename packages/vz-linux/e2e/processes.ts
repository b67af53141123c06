import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
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
