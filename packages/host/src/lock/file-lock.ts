import { spawn } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { ZlayerError } from '@zlayer/runtime-core';
import { fileError } from '../file-error.ts';
import { hostProgramPath } from '../host-program.ts';

const MAX_REASON_BYTES = 1024;

export interface LockOptions {
  /** Ends waiting by throwing its reason. */
  signal?: AbortSignal | undefined;
}

/**
 * A lock on a file between processes, and between holders in one process. The system releases it when its holder dies,
 * however it dies, so that no lock is ever stale. For local file systems: over NFS the system does not keep its word.
 *
 * Node cannot lock a file by itself: `zlayer-host --lock` does it on a descriptor that is passed to it, and the lock stays
 * with the descriptor.
 */
export class FileLock implements Disposable {
  readonly path: string;
  #descriptor: number | undefined;

  private constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  /**
   * Locks a file, which is made (mode 0600) if it is not there; `undefined` if somebody else holds the lock.
   *
   * @throws ZlayerError `NOT_FOUND` if the file's directory does not exist.
   */
  static async tryAcquire(path: string): Promise<FileLock | undefined> {
    return await FileLock.#acquire(path, 'try');
  }

  /** As `tryAcquire`, but waits until the lock is free. The order of those who wait is not defined. */
  static async acquire(path: string, options: LockOptions = {}): Promise<FileLock> {
    const lock = await FileLock.#acquire(path, 'wait', options.signal);
    if (lock !== undefined) return lock;
    throw new ZlayerError('INTERNAL', `waiting for the lock ${path} ended without it`, { subject: path });
  }

  /** Lets go of the lock. The file stays: it is nobody's then. */
  release(): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** Waits until nobody holds a lock on a file, without taking one. A file that is not there is held by nobody. */
  static async released(path: string, options: LockOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    let descriptor: number;
    try {
      descriptor = open(path, constants.O_RDWR);
    } catch (error) {
      if (error instanceof ZlayerError && error.code === 'NOT_FOUND') return;
      throw error;
    }
    try {
      await lock(path, descriptor, 'share', options.signal);
    } finally {
      closeSync(descriptor);
    }
  }

  static async #acquire(path: string, mode: 'try' | 'wait', signal?: AbortSignal): Promise<FileLock | undefined> {
    for (;;) {
      signal?.throwIfAborted();
      const descriptor = open(path, constants.O_RDWR | constants.O_CREAT);
      let kept = false;
      try {
        if (!(await lock(path, descriptor, mode, signal))) return undefined;
        // Whoever held it before may have removed the file: a lock on what nobody finds any more is none.
        kept = isSameFile(path, descriptor);
        if (kept) return new FileLock(path, descriptor);
      } finally {
        if (!kept) closeSync(descriptor);
      }
    }
  }
}

/** Does something while a lock is held. Waits for the lock. */
export async function withFileLock<T>(path: string, work: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  using _ = await FileLock.acquire(path, options);
  return await work();
}

/** Opens by number: what holds a lock must not be closed by the garbage collector. */
function open(path: string, flags: number): number {
  try {
    return openSync(path, flags | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw fileError('cannot lock', path, error);
  }
}

function isSameFile(path: string, descriptor: number): boolean {
  const mine = fstatSync(descriptor, { bigint: true });
  const there = statSync(path, { bigint: true, throwIfNoEntry: false });
  return there?.ino === mine.ino && there.dev === mine.dev;
}

/** Whether the open file is locked now. */
function lock(path: string, descriptor: number, mode: string, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(hostProgramPath(), ['--lock', mode], { stdio: ['pipe', 'ignore', 'pipe', descriptor] });
    let reason = '';
    const fail = (why: string, cause?: unknown): void =>
      reject(new ZlayerError('INTERNAL', `cannot lock ${path}: ${why}`, { subject: path, cause }));
    const abort = (): void => {
      child.kill('SIGKILL');
    };
    signal?.addEventListener('abort', abort, { once: true });
    child.stdin?.on('error', () => undefined);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      reason = (reason + text).slice(0, MAX_REASON_BYTES);
    });
    child.once('error', (error) => fail(error.message, error));
    child.once('close', (code, killed) => {
      signal?.removeEventListener('abort', abort);
      if (signal?.aborted) reject(signal.reason);
      else if (code === 0 || code === 1) resolve(code === 0);
      else fail(reason.trim() || `zlayer-host ended with ${killed ?? code}`);
    });
  });
}
