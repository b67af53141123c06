import { once } from 'node:events';
import type { OutputChunk } from '@zlayer/runtime-core';
import type { Cli } from './cli.ts';

/**
 * Copies a workload's output to this process's own, at the pace of whoever reads it.
 *
 * Rejects when the reader has gone (`zlayer run … | head`).
 */
export async function copyOutput(
  cli: Pick<Cli, 'stdout' | 'stderr'>,
  output: AsyncIterable<OutputChunk>,
): Promise<void> {
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {});
  const targets = { stdout: cli.stdout, stderr: cli.stderr };
  for (const target of Object.values(targets)) target.on('error', broken.reject);
  try {
    for await (const { stream, data } of output) {
      if (!targets[stream].write(data)) await Promise.race([once(targets[stream], 'drain'), broken.promise]);
    }
  } finally {
    for (const target of Object.values(targets)) target.off('error', broken.reject);
  }
}
