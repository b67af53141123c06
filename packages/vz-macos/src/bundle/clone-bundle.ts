import { constants, createReadStream } from 'node:fs';
import { copyFile, lstat, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ZlayerError } from '@zlayer/runtime-core';
import { BUNDLE_FILES } from '../mac-bundle.ts';
import { writeSparsely } from './sparse-writer.ts';
import { stageBundle } from './stage-bundle.ts';
import { syncPath } from './sync.ts';

export interface CloneBundleOptions {
  /** The bundle to take, such as one that was made by hand. Nothing may write to it meanwhile. */
  source: string;
  /** Where the clone shall be. Nothing may be there. */
  directory: string;
  signal?: AbortSignal | undefined;
}

/**
 * Makes a bundle of another's files: `disk.img`, `hardware-model.bin`, `aux.img`, and `manifest.json` if it has one. On APFS, and on
 * others that can, the clone shares the disk's blocks until one of the two is written to; elsewhere it is copied, without its holes.
 * The clone appears when it is complete.
 *
 * @throws ZlayerError `INVALID_SPEC` if a file is missing or is no ordinary one, `ALREADY_EXISTS`; the signal's reason.
 */
export async function cloneBundle({ source, directory, signal }: CloneBundleOptions): Promise<void> {
  signal?.throwIfAborted();
  const names = await presentFiles(source);
  await stageBundle(directory, signal, async (staging) => {
    await rm(staging, { recursive: true, force: true });
    try {
      await mkdir(staging, { mode: 0o700 });
      for (const name of names) {
        signal?.throwIfAborted();
        await cloneFile(join(source, name), join(staging, name), signal);
      }
    } catch (error) {
      await rm(staging, { recursive: true, force: true });
      throw error;
    }
  });
}

async function presentFiles(source: string): Promise<string[]> {
  const names: string[] = [];
  for (const name of Object.values(BUNDLE_FILES)) {
    const path = join(source, name);
    const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw error;
    });
    if (found === undefined && name === BUNDLE_FILES.manifest) continue;
    if (!found?.isFile()) {
      const what = found === undefined ? 'is not there' : 'is no ordinary file';
      throw new ZlayerError('INVALID_SPEC', `${source} is no bundle of a macOS machine: ${name} ${what}.`, {
        subject: path,
        remedy: 'A bundle has disk.img, hardware-model.bin and aux.img.',
      });
    }
    names.push(name);
  }
  return names;
}

async function cloneFile(source: string, target: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
  } catch (error) {
    if (!cannotClone(error)) throw error;
    await rm(target, { force: true });
    await copySparsely(source, target, signal);
  }
  await syncPath(target);
}

/** What systems say about file systems that cannot share blocks, or not between these two places. */
function cannotClone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return ['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'ENOTTY', 'EXDEV', 'EINVAL'].includes(String(code));
}

async function copySparsely(source: string, target: string, signal: AbortSignal | undefined): Promise<void> {
  await using file = await open(target, 'wx', 0o600);
  let position = 0;
  for await (const piece of createReadStream(source, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    signal?.throwIfAborted();
    await writeSparsely(file, piece, position);
    position += piece.length;
  }
  await file.truncate(position);
}
