import { stat } from 'node:fs/promises';
import { type Cancellable, isZlayerError, UnavailableError } from '@zlayer/runtime-core';
import { createVolume } from '@zlayer/vzagent';

export interface EnsureVolumeOptions extends Cancellable {
  sizeBytes: number;
  /** What volumes are made from, as the guest's bundle has it. */
  template: string | undefined;
}

/**
 * Makes an empty ext4 volume, unless there is a file already. It takes only the room that is used; the guest grows its file
 * system to the file's size.
 *
 * @throws ZlayerError `UNAVAILABLE` when there is nothing to make volumes from; `INVALID_SPEC` for less than 16 MiB.
 */
export async function ensureVolume(path: string, { sizeBytes, template, signal }: EnsureVolumeOptions): Promise<void> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  if (template === undefined) {
    throw new UnavailableError('there is nothing to make volumes from: the guest comes without a volume template', {
      subject: path,
      remedy: 'Use a guest bundle that has one, or install e2fsprogs.',
    });
  }
  try {
    await createVolume(path, { sizeBytes, template, signal });
  } catch (error) {
    if (!isZlayerError(error) || error.code !== 'ALREADY_EXISTS') throw error;
  }
}
