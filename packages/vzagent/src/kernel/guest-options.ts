import type { Architecture } from '@zlayer/runtime-core';

export interface ResolveGuestOptions {
  readonly architecture: Architecture;
  /** Default: `defaultCacheDir()`. */
  readonly cacheDir?: string | undefined;
  /** Default: `process.env`. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what is being done, one line at a time. Silent when everything is cached. */
  readonly onProgress?: ((line: string) => void) | undefined;
}

/** What a VM needs to boot a guest: two files. */
export interface Guest {
  readonly architecture: Architecture;
  /** Path of the kernel: a bzImage for amd64, an uncompressed Image for arm64. */
  readonly kernel: string;
  /** Path of the initramfs with the agent in it. */
  readonly initramfs: string;
  /** The kernel's release, for example `6.1.0-56-cloud-amd64`; unknown for a kernel from the environment. */
  readonly kernelVersion: string | undefined;
  readonly source: 'environment' | 'cache' | 'debian';
}
