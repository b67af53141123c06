import { randomUUID } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ZlayerError } from '@zlayer/runtime-core';
import { BLOCK_BYTES, decodeVolumeTemplate } from './volume-template.ts';

export interface CreateVolumeOptions {
  /** How many bytes the volume can hold, its file system's own among them. Rounded down to 4096. */
  readonly sizeBytes: number;
  /** The template's file, as `resolveGuest` gives it. */
  readonly template: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes an empty ext4 volume: a sparse file that takes some hundred kilobytes, whatever its size. Its file system has
 * the largest size in the template that fits; a guest grows it to the file's when it mounts it for the first time. The
 * file appears whole or not at all, for its owner alone (mode 0600).
 *
 * @throws {ZlayerError} `INVALID_SPEC` for a size below the template's smallest, and for a template that is none;
 * `ALREADY_EXISTS` when there is a file already, which is left as it is; `NOT_FOUND` when there is no template.
 */
export async function createVolume(path: string, { sizeBytes, template, signal }: CreateVolumeOptions): Promise<void> {
  signal?.throwIfAborted();
  const images = await decodeVolumeTemplate(await readTemplate(template), template);
  const size = Math.floor(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
  const fitting = images.filter((image) => image.sizeBytes <= size);
  const image = fitting.reduce((best, each) => (each.sizeBytes > best.sizeBytes ? each : best), fitting[0] ?? NONE);
  if (image === NONE || !Number.isSafeInteger(size)) {
    const smallest = Math.min(...images.map((each) => each.sizeBytes));
    throw new ZlayerError('INVALID_SPEC', `a volume cannot have ${sizeBytes} bytes`, {
      subject: path,
      remedy: `give it at least ${smallest} bytes`,
    });
  }
  const staged = `${path}.${randomUUID()}.partial`;
  try {
    await using file = await open(staged, 'wx', 0o600);
    await file.truncate(size);
    for (const { offset, data } of image.ranges) {
      signal?.throwIfAborted();
      await file.write(data, 0, data.length, offset);
    }
    await file.sync();
    // Unlike a rename, a link never takes the place of somebody's data.
    await link(staged, path);
  } catch (error) {
    throw asAlreadyThere(error, path);
  } finally {
    await rm(staged, { force: true });
  }
  await using folder = await open(dirname(path), 'r');
  await folder.sync();
}

const NONE = { sizeBytes: 0, ranges: [] };

async function readTemplate(path: string): Promise<Buffer> {
  return readFile(path).catch((cause: unknown) => {
    throw new ZlayerError('NOT_FOUND', `the volume template ${path} cannot be read`, { subject: path, cause });
  });
}

function asAlreadyThere(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIST') return error;
  return new ZlayerError('ALREADY_EXISTS', `there is a file ${path} already`, { subject: path, cause: error });
}
