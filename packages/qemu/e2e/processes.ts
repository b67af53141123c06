import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface RecordedProcess {
  pid: number;
  name?: string;
}

/** Process ids of a machine and of everything that belongs to it, as its host program has recorded them. */
export async function machineProcesses(stateDirectory: string): Promise<number[]> {
  const status = JSON.parse(await readFile(join(stateDirectory, 'vm.json'), 'utf8')) as RecordedProcess & {
    main: RecordedProcess;
    helpers: RecordedProcess[];
  };
  return [status, status.main, ...status.helpers].map(({ pid }) => pid);
}
