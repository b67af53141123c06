import { once } from 'node:events';
import type { OutputChunk } from '@zlayer/runtime-core';

/**
 * Copies a workload's output to this process's own, at the pace of whoever reads it.
 *
 * Rejects when the reader has gone (`zlayer run … | head`).
 */
export async function copyOutput(output: AsyncIterable<OutputChunk>): Promise<void> {
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {});
  const targets = { stdout: process.stdout, stderr: process.stderr };
  for (const target of Object.values(targets)) target.once('error', broken.reject);
  for await (const { stream, data } of output) {
    if (!targets[stream].write(data)) await Promise.race([once(targets[stream], 'drain'), broken.promise]);
  }
}
