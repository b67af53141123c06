import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The process id of a machine's `vz-host`. */
export async function hostPid(stateDirectory: string): Promise<number> {
  return (JSON.parse(await readFile(join(stateDirectory, 'vm.json'), 'utf8')) as { pid: number }).pid;
}
