import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isZlayerError } from '@zlayer/runtime-core';
import { makeVolumeTemplate } from './make-volume-template.ts';
import { packagedBundle } from './packaged-bundle.ts';

/** Counts changes of what a template made here looks like; part of its name. */
const TEMPLATE_VERSION = 1;

/**
 * The volume template for guests that bring none: the package's own, or one that this machine's e2fsprogs make, which
 * is then cached; nothing where there is neither.
 */
export async function localVolumeTemplate(cacheDir: string, signal?: AbortSignal): Promise<string | undefined> {
  // An empty file system is the same for every processor.
  const packaged = (await packagedBundle('arm64')) ?? (await packagedBundle('amd64'));
  if (packaged !== undefined) return packaged.files.volumeTemplate;
  const folder = join(cacheDir, 'volume-templates');
  const path = join(folder, `v${TEMPLATE_VERSION}.gz`);
  if (await isThere(path)) return path;
  const staged = `${path}.${randomUUID()}.partial`;
  try {
    const template = await makeVolumeTemplate(signal);
    await mkdir(folder, { recursive: true });
    await writeFile(staged, template, { flush: true });
    await rename(staged, path);
    return path;
  } catch (error) {
    if (isZlayerError(error) && error.code === 'UNAVAILABLE') return undefined;
    throw error;
  } finally {
    await rm(staged, { force: true });
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
