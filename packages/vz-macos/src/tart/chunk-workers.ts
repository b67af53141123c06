import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { errorFromJSON, ZlayerError } from '@zlayer/runtime-core';
import type { ChunkAnswer, ChunkJob } from './chunk-job.ts';

/** More threads wait for the disk. */
const MOST = 8;

export interface ChunkOptions {
  signal: AbortSignal;
  onWrite(bytes: number): void;
}

/** Threads that decompress pieces of disks, so that a program goes on meanwhile, and with all processors. */
export class ChunkWorkers implements AsyncDisposable {
  /** As many pieces are worked on at once. */
  readonly count = Math.min(MOST, availableParallelism());
  readonly #idle: Worker[] = [];
  readonly #all = new Set<Worker>();

  /** @throws ZlayerError `PULL_FAILED` for a damaged piece; the signal's reason. */
  async write(job: ChunkJob, { signal, onWrite }: ChunkOptions): Promise<void> {
    signal.throwIfAborted();
    const worker = this.#idle.pop() ?? this.#start();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const hear = (answer: ChunkAnswer): void => {
      if (answer.type === 'written') onWrite(answer.bytes);
      else if (answer.type === 'done') resolve();
      else reject(errorFromJSON(answer.error));
    };
    const abort = (): void => reject(signal.reason);
    const fail = (cause: Error): void =>
      reject(new ZlayerError('INTERNAL', `the thread that decompresses ended: ${cause.message}`, { cause }));
    worker.on('message', hear).on('error', fail);
    signal.addEventListener('abort', abort, { once: true });
    worker.postMessage(job);
    try {
      await promise;
      this.#idle.push(worker);
    } catch (error) {
      // It may be in the middle of its work.
      await this.#end(worker);
      throw error;
    } finally {
      worker.off('message', hear).off('error', fail);
      signal.removeEventListener('abort', abort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#all].map((worker) => this.#end(worker)));
  }

  #start(): Worker {
    // Beside this file in src, and beside all of the package in dist.
    const name = import.meta.url.endsWith('.ts') ? './chunk-worker.ts' : './chunk-worker.js';
    const worker = new Worker(new URL(name, import.meta.url));
    // Somebody waits for it, or nobody.
    worker.on('error', () => undefined);
    this.#all.add(worker);
    return worker;
  }

  async #end(worker: Worker): Promise<void> {
    this.#all.delete(worker);
    await worker.terminate();
  }
}
