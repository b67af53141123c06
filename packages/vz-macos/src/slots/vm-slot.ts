import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FileLock } from '@zlayer/host';
import { ZlayerError } from '@zlayer/runtime-core';

/** How many macOS machines Apple's licence and the kernel let run on a host. */
export const VM_SLOTS = 2;

export interface VmSlotOptions {
  /** Where the slots of this host are kept: the same for all who start machines, on a local disk. It is made if need be. */
  directory: string;
  /** Milliseconds to wait for a free slot. Default: 0, which does not wait. */
  timeout?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * The right to run one of the two macOS machines of a host. It ends with `release`, or with the process that has it,
 * however that ends.
 */
export class VmSlot implements Disposable {
  readonly #lock: FileLock;

  private constructor(lock: FileLock) {
    this.#lock = lock;
  }

  /**
   * Takes a free slot, or waits for one. The order of those who wait is not defined.
   *
   * @throws ZlayerError `CONFLICT` if none is or becomes free; the signal's reason.
   */
  static async acquire({ directory, timeout = 0, signal }: VmSlotOptions): Promise<VmSlot> {
    signal?.throwIfAborted();
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const paths = Array.from({ length: VM_SLOTS }, (_, slot) => join(directory, `slot-${slot}.lock`));
    for (const path of paths) {
      const lock = await FileLock.tryAcquire(path);
      if (lock !== undefined) return new VmSlot(lock);
    }
    if (timeout <= 0) throw noSlot('now');
    return new VmSlot(await first(paths, timeout, signal));
  }

  release(): void {
    this.#lock.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** Waits for all of them, and keeps the first. */
async function first(paths: readonly string[], timeout: number, signal: AbortSignal | undefined): Promise<FileLock> {
  const enough = new AbortController();
  const timer = setTimeout(() => enough.abort(noSlot(`within ${timeout} ms`)), timeout);
  const either = signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]);
  let kept: FileLock | undefined;
  const attempts = paths.map(async (path) => {
    try {
      const lock = await FileLock.acquire(path, { signal: either });
      if (kept === undefined) kept = lock;
      else lock.release();
    } finally {
      enough.abort();
    }
  });
  try {
    const [failure] = (await Promise.allSettled(attempts)).filter((attempt) => attempt.status === 'rejected');
    if (kept !== undefined) return kept;
    throw failure?.reason;
  } finally {
    clearTimeout(timer);
  }
}

function noSlot(when: string): ZlayerError {
  return new ZlayerError('CONFLICT', `${VM_SLOTS} macOS machines run on this host; no place became free ${when}.`, {
    remedy: `Stop one: Apple allows ${VM_SLOTS} on a host, whichever programs started them.`,
  });
}
