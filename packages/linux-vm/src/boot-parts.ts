import type { Architecture } from '@zlayer/runtime-core';
import { defaultCacheDir, type Guest, localVolumeTemplate, resolveGuest } from '@zlayer/vzagent';
import type { ContainerMeans } from './launch-container.ts';

/** What a guest boots from, as far as its driver does not bring it, and what its volumes are made from. */
export interface BootParts extends Pick<Guest, 'volumeTemplate' | 'warnings'> {
  kernel: string | undefined;
  initramfs: string | undefined;
}

export async function bootParts(
  { driver, cacheDir }: Pick<ContainerMeans, 'driver' | 'cacheDir'>,
  architecture: Architecture,
  signal: AbortSignal,
): Promise<BootParts> {
  if (!driver.bringsKernel) return await resolveGuest({ architecture, cacheDir, signal });
  const volumeTemplate = await localVolumeTemplate(cacheDir ?? defaultCacheDir(), signal);
  return { kernel: undefined, initramfs: undefined, volumeTemplate, warnings: [] };
}
