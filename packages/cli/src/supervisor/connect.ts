import { fileURLToPath } from 'node:url';
import { dataDirectory, startSupervisor } from '@zlayer/host';
import type { Cancellable } from '@zlayer/runtime-core';
import { SupervisedRuntime } from './supervised-runtime.ts';

/** This module's neighbour, as it lies in the sources and in the built package. */
const MODULE = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './supervisor.js', import.meta.url),
);

/** The runtime of the data directory's supervisor, which is started if there is none. */
export async function superviseRuntime(
  name: string,
  { dataDir, signal }: { dataDir?: string | undefined } & Cancellable = {},
): Promise<SupervisedRuntime> {
  const options = { dataDirectory: dataDirectory({ option: dataDir }), module: MODULE, signal };
  const client = await startSupervisor(options);
  try {
    return await SupervisedRuntime.open(client, name);
  } catch (error) {
    client.close();
    throw error;
  }
}
