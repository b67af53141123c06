import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FileLock, readJsonFile, writeFileAtomic } from '@zlayer/host';
import { type Cancellable, ZlayerError } from '@zlayer/runtime-core';
import { ensureVolume } from './ensure-volume.ts';

/** A volume takes the room of what is in it; this is the most. */
export const VOLUME_BYTES = 64 * 1024 ** 3;

/** A named volume that one machine alone may write to, until it is disposed of. */
export interface AcquiredVolume extends Disposable {
  /** An ext4 file system image. */
  readonly path: string;
}

export interface AcquireVolumeOptions extends Cancellable {
  /** Directory of the container that wants it. */
  container: string;
  /** What a new one is made from, if there is anything. */
  volumeTemplate?: string | undefined;
  /** Whether a container's machine runs: its owner may be dead, and its lock with it. */
  isRunning(container: string): Promise<boolean>;
}

/**
 * Named volumes of a data directory: `volumes/{name}/disk.ext4`. A file system that two kernels write to is lost, so a
 * volume belongs to one machine at a time: the lock says whose owner lives, `user.json` whose machine may still run.
 */
export class VolumeStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Takes a volume for a container; makes it when there is none of this name.
   *
   * @throws ZlayerError `CONFLICT` when another container has it.
   */
  async acquire(
    name: string,
    { container, volumeTemplate, isRunning, signal }: AcquireVolumeOptions,
  ): Promise<AcquiredVolume> {
    const directory = join(this.#directory, name);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const lock = await FileLock.tryAcquire(join(directory, 'volume.lock'));
    const userFile = join(directory, 'user.json');
    if (lock === undefined) throw taken(name, await userOf(userFile));
    try {
      const user = await userOf(userFile);
      if (user !== undefined && user !== container && (await isRunning(user))) throw taken(name, user);
      await writeFileAtomic(userFile, `${JSON.stringify({ version: 1, container })}\n`);
      const path = join(directory, 'disk.ext4');
      await ensureVolume(path, { sizeBytes: VOLUME_BYTES, template: volumeTemplate, signal });
      return { path, [Symbol.dispose]: () => lock.release() };
    } catch (error) {
      lock.release();
      throw error;
    }
  }
}

async function userOf(file: string): Promise<string | undefined> {
  const user = (await readJsonFile(file).catch(() => undefined)) as { container?: unknown } | undefined;
  return typeof user?.container === 'string' ? user.container : undefined;
}

function taken(name: string, container: string | undefined): ZlayerError {
  const by = container === undefined ? 'another container' : `the container in ${container}`;
  return new ZlayerError('CONFLICT', `the volume ${name} is in use by ${by}`, {
    subject: name,
    remedy: 'Stop that container first: a volume belongs to one machine at a time.',
  });
}
