/** A thread that decompresses pieces of disks, one after the other: what a `ChunkWorkers` runs. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { parentPort } from 'node:worker_threads';
import { ZlayerError } from '@zlayer/runtime-core';
import type { ChunkAnswer, ChunkJob } from './chunk-job.ts';
import { writeChunk } from './write-chunk.ts';

const READ_BYTES = 1024 * 1024;

async function work({ blob, disk: path, chunk }: ChunkJob): Promise<void> {
  await using disk = await open(path, 'r+');
  const onWrite = (bytes: number): void => answer({ type: 'written', bytes });
  await writeChunk(disk, chunk, createReadStream(blob, { highWaterMark: READ_BYTES }), { onWrite });
  await disk.datasync();
}

const answer = (message: ChunkAnswer): void => parentPort?.postMessage(message);

parentPort?.on('message', (job: ChunkJob) => {
  work(job).then(
    () => answer({ type: 'done' }),
    (error: unknown) => {
      const known = error instanceof ZlayerError ? error : new ZlayerError('INTERNAL', String(error), { cause: error });
      answer({ type: 'failed', error: known.toJSON() });
    },
  );
});
