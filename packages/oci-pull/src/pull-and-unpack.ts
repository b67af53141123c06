import { type ErofsImageFile, erofsImage, flattenToErofs } from './erofs-image.ts';
import type { UnpackProgress } from './flatten-layers.ts';
import type { PullProgress } from './progress.ts';
import { type PullImageOptions, pullThrough } from './pull-image.ts';
import type { ImageReference } from './reference.ts';
import type { StoredImage } from './stored-image.ts';
import type { UnpackLimits } from './unpack-budget.ts';
import { type UnpackedImage, unpackImage, unpackLayers } from './unpack-image.ts';

export interface PullToErofsOptions extends Omit<PullImageOptions, 'onProgress'> {
  limits?: UnpackLimits | undefined;
  onProgress?: ((progress: PullProgress | UnpackProgress) => void) | undefined;
}

export interface PullAndUnpackOptions extends PullToErofsOptions {
  /** Directory that holds unpacked images, each under its digest. Made if need be. */
  directory: string;
}

/**
 * Does what `pullImage` and then `unpackImage` do, at once: layers are unpacked while they and the next ones arrive.
 * Neither the image nor the directory is there before every digest and every diff id has been verified.
 */
export async function pullAndUnpack(
  reference: string | ImageReference,
  options: PullAndUnpackOptions,
): Promise<{ image: StoredImage; unpacked: UnpackedImage }> {
  let unpacked: UnpackedImage | undefined;
  const image = await pullThrough(reference, options, async (arriving, open, signal) => {
    unpacked = await unpackLayers(arriving, open, { ...options, signal });
  });
  return { image, unpacked: unpacked ?? (await unpackImage(image, options)) };
}

/**
 * Does what `pullImage` and then `erofsImage` do, at once: layers are flattened while they and the next ones arrive.
 * Neither the image nor the file is there before every digest and every diff id has been verified.
 */
export async function pullToErofs(
  reference: string | ImageReference,
  options: PullToErofsOptions,
): Promise<{ image: StoredImage; erofs: ErofsImageFile }> {
  let erofs: ErofsImageFile | undefined;
  const image = await pullThrough(reference, options, async (arriving, open, signal) => {
    erofs = await flattenToErofs(arriving, open, { ...options, signal });
  });
  return { image, erofs: erofs ?? (await erofsImage(image, options)) };
}
