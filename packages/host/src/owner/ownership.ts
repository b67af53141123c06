import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ZlayerError } from '@zlayer/runtime-core';
import { isIdentity, isRecord } from '../host-status.ts';
import { readJsonFile } from '../json-file.ts';
import { FileLock, type LockOptions } from '../lock/file-lock.ts';
import { isAlive, type ProcessIdentity, processIdentity } from '../process-identity.ts';
import { writeFileAtomic } from '../write-file-atomic.ts';

const RECORD_BYTES = 64 * 1024;
/** How long an owner that is just coming or going may take to say so. */
const HANDOVER_MS = 500;

/** Who owns a directory. */
export interface OwnerRecord extends ProcessIdentity {
  /** Tells owners in one process apart. */
  instance: string;
  /** RFC 3339. */
  claimedAt: string;
}

export interface ClaimOptions extends LockOptions {
  /** Default: a random one. */
  instance?: string | undefined;
  /** Wait until the present owner has released it or is dead, instead of failing. Default: `false`. */
  wait?: boolean | undefined;
}

/**
 * The right to change a directory, such as a container's, and the duty to look after what it describes. One owner at a
 * time; it ends with `release` or with the process. The lock `owner.lock` decides; `owner.json` tells others who it is.
 */
export class Ownership implements AsyncDisposable {
  readonly directory: string;
  readonly owner: OwnerRecord;
  /** Who owned it before and died: what that one left behind is adopted. `undefined` if it was released, or never owned. */
  readonly previous: OwnerRecord | undefined;
  readonly #lock: FileLock;

  private constructor(directory: string, owner: OwnerRecord, previous: OwnerRecord | undefined, lock: FileLock) {
    this.directory = directory;
    this.owner = owner;
    this.previous = previous;
    this.#lock = lock;
  }

  /**
   * Becomes the owner of a directory that nobody owns or whose owner is dead.
   *
   * @throws ZlayerError `CONFLICT`, naming the process, if its owner lives; `NOT_FOUND` if there is no such directory.
   */
  static async claim(directory: string, options: ClaimOptions = {}): Promise<Ownership> {
    const lock = await acquire(directory, options);
    try {
      const previous = await readRecord(directory);
      const owner = {
        ...currentProcess(),
        instance: options.instance ?? randomUUID(),
        claimedAt: new Date().toISOString(),
      };
      await writeFileAtomic(recordFile(directory), `${JSON.stringify({ version: 1, ...owner })}\n`);
      return new Ownership(directory, owner, previous, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Gives it up. The directory may have been removed meanwhile. */
  async release(): Promise<void> {
    try {
      if ((await readRecord(this.directory))?.instance === this.owner.instance) {
        await rm(recordFile(this.directory), { force: true });
      }
    } finally {
      this.#lock.release();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

/** Who owns a directory now: `undefined` if nobody does, which includes an owner that is dead. */
export async function findOwner(directory: string): Promise<OwnerRecord | undefined> {
  const record = await readRecord(directory);
  return record !== undefined && isAlive(record) ? record : undefined;
}

/** Waits until nobody owns a directory, because its owner has released it or died. The system tells; nothing polls. */
export async function ownerGone(directory: string, options: LockOptions = {}): Promise<void> {
  await FileLock.released(lockFile(directory), options);
}

const lockFile = (directory: string): string => join(directory, 'owner.lock');
const recordFile = (directory: string): string => join(directory, 'owner.json');

async function acquire(directory: string, { wait = false, signal }: ClaimOptions): Promise<FileLock> {
  const path = lockFile(directory);
  if (wait) return await FileLock.acquire(path, { signal });
  signal?.throwIfAborted();
  const lock = await FileLock.tryAcquire(path);
  if (lock !== undefined) return lock;
  const owner = await findOwner(directory);
  if (owner !== undefined) throw ownedError(directory, `process ${owner.pid} owns it`);
  // Somebody claims or releases it just now, or waits for its release.
  const patience = AbortSignal.timeout(HANDOVER_MS);
  try {
    return await FileLock.acquire(path, { signal: signal ? AbortSignal.any([signal, patience]) : patience });
  } catch (error) {
    signal?.throwIfAborted();
    if (!patience.aborted) throw error;
    const late = await findOwner(directory);
    throw ownedError(directory, late ? `process ${late.pid} owns it` : 'another process holds its lock');
  }
}

function ownedError(directory: string, why: string): ZlayerError {
  return new ZlayerError('CONFLICT', `cannot take over ${directory}: ${why}`, {
    subject: directory,
    remedy: 'Ask its owner, or end that process.',
  });
}

/** A record that cannot be read names nobody: the lock alone decides. */
async function readRecord(directory: string): Promise<OwnerRecord | undefined> {
  const value = await readJsonFile(recordFile(directory), { maxBytes: RECORD_BYTES }).catch(() => undefined);
  if (!isRecord(value) || !isIdentity(value)) return undefined;
  const { pid, startTime, instance, claimedAt } = value as unknown as OwnerRecord;
  if (typeof instance !== 'string' || typeof claimedAt !== 'string') return undefined;
  return { pid, startTime, instance, claimedAt };
}

function currentProcess(): ProcessIdentity {
  const identity = processIdentity(process.pid);
  if (identity !== undefined) return identity;
  throw new ZlayerError('INTERNAL', 'the start time of this process cannot be found out');
}
