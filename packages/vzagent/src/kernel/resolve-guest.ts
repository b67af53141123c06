import { createHash } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '@zlayer/runtime-core';
import { ZlayerError } from '@zlayer/runtime-core';
import { agentPath } from '../agent.ts';
import { defaultCacheDir } from '../cache-dir.ts';
import { INITRAMFS_VERSION, writeGuestInitramfs } from '../initramfs/guest-initramfs.ts';
import { type CachedKernel, cachedKernel, fetchDebianKernel, kernelImage, readKernelModules } from './debian-kernel.ts';
import { environmentGuest } from './environment-guest.ts';
import type { Guest, ResolveGuestOptions } from './guest-options.ts';

/**
 * Finds a kernel and an initramfs for a guest: what `ZLAYER_VZ_LINUX_KERNEL` and `ZLAYER_VZ_LINUX_INITRD` name, else
 * what is cached, else Debian's cloud kernel, which is then cached. An initramfs is made anew when the agent changed.
 *
 * @throws {ZlayerError} `INVALID_SPEC` or `NOT_FOUND` for a wrong override; `UNAVAILABLE` when nothing is cached and
 * this is no Debian, or when this package was not built; `NETWORK` when Debian's mirror cannot be reached.
 */
export async function resolveGuest(options: ResolveGuestOptions): Promise<Guest> {
  const { architecture, signal } = options;
  signal?.throwIfAborted();
  const env = options.env ?? process.env;
  const named = await environmentGuest(env);
  if (named !== undefined) return { architecture, ...named, kernelVersion: undefined, source: 'environment' };

  const cacheDir = options.cacheDir ?? defaultCacheDir(env);
  const cached = await cachedKernel(cacheDir, architecture);
  const kernel = cached ?? (await fetchDebianKernel(cacheDir, options));
  return {
    architecture,
    kernel: kernelImage(kernel),
    initramfs: await guestInitramfs(kernel, architecture, options.onProgress),
    kernelVersion: kernel.version,
    source: cached === undefined ? 'debian' : 'cache',
  };
}

async function guestInitramfs(
  kernel: CachedKernel,
  architecture: Architecture,
  onProgress: ((line: string) => void) | undefined,
): Promise<string> {
  const agent = await readAgent(architecture);
  const digest = createHash('sha256').update(agent).digest('hex').slice(0, 16);
  const path = join(kernel.folder, `initramfs-v${INITRAMFS_VERSION}-${digest}.cpio`);
  if (await isThere(path)) return path;
  onProgress?.(`making the initramfs of ${kernel.version}`);
  const staging = `${path}.${process.pid}.${Date.now()}.partial`;
  try {
    await writeFile(staging, writeGuestInitramfs(agent, await readKernelModules(kernel)));
    await rename(staging, path);
  } finally {
    await rm(staging, { force: true });
  }
  return path;
}

async function readAgent(architecture: Architecture): Promise<Uint8Array> {
  const path = agentPath(architecture);
  return readFile(path).catch((cause: unknown) => {
    throw new ZlayerError('UNAVAILABLE', `the guest agent for ${architecture} is missing`, {
      subject: path,
      remedy: 'install @zlayer/vzagent anew, or build it in a checkout',
      cause,
    });
  });
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
