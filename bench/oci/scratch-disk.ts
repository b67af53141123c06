// A file system without a past. ext4 avoids inodes that were removed in the last minutes and searches past them one by one,
// so that on a disk in use the same unpacking can take thrice the time of the system.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Sparse: only what is written takes room. */
const size = 64 * 1024 ** 3;

/** A fresh ext4 file system, mounted from a file. Unmounted and removed when it is disposed of. */
export class ScratchDisk implements AsyncDisposable {
  readonly #folder: string;
  /** Where it is mounted. */
  readonly path: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, 'mnt');
  }

  static async make(): Promise<ScratchDisk> {
    const disk = new ScratchDisk(await mkdtemp(join(tmpdir(), 'oci-bench-')));
    const image = join(disk.#folder, 'disk');
    try {
      await using file = await open(image, 'wx');
      await file.truncate(size);
      await run('mkfs.ext4', ['-q', '-E', 'nodiscard,lazy_itable_init=1', image]);
      await mkdir(disk.path);
      await run('mount', ['-o', 'loop,noinit_itable', image, disk.path]);
      return disk;
    } catch (error) {
      await rm(disk.#folder, { recursive: true, force: true });
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('umount', ['--recursive', this.path]);
    await rm(this.#folder, { recursive: true, force: true });
  }
}
