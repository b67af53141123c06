import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '@zlayer/runtime-core';
import { readAgent } from '../agent.ts';
import type { DebianPackageOptions } from '../debian/debian-packages.ts';
import { INITRAMFS_VERSION, writeGuestInitramfs } from '../initramfs/guest-initramfs.ts';
import { type CachedKernel, cachedKernel, fetchDebianKernel, kernelImage, readKernelModules } from './debian-kernel.ts';

/**
 * Debian's cloud kernel, from the cache or else from Debian, and an initramfs for it, which is made anew when the agent
 * changed. It is how the agent is developed: what was compiled a moment ago is what boots.
 */
export async function debianGuest(
  cacheDir: string,
  options: DebianPackageOptions,
): Promise<{ kernel: string; initramfs: string; version: string }> {
  const cached = (await cachedKernel(cacheDir, options.architecture)) ?? (await fetchDebianKernel(cacheDir, options));
  const initramfs = await guestInitramfs(cached, options.architecture, options.onProgress);
  return { kernel: kernelImage(cached), initramfs, version: cached.version };
}

async function guestInitramfs(
  kernel: CachedKernel,
  architecture: Architecture,
  onProgress: ((line: string) => void) | undefined,
): Promise<string> {
  const { bytes, sha256 } = await readAgent(architecture);
  const path = join(kernel.folder, `initramfs-v${INITRAMFS_VERSION}-${sha256.slice(0, 16)}.cpio`);
  if (await isThere(path)) return path;
  onProgress?.(`making the initramfs of ${kernel.version}`);
  const staging = `${path}.${process.pid}.${Date.now()}.partial`;
  try {
    await writeFile(staging, writeGuestInitramfs(bytes, await readKernelModules(kernel)));
    await rename(staging, path);
  } finally {
    await rm(staging, { force: true });
  }
  return path;
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
