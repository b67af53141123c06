import type { RegistryOptions } from '@zlayer/oci-pull';
import type { Architecture } from '@zlayer/runtime-core';

/** Files to boot from that somebody names himself, or the folder of a bundle. */
export type GuestFiles =
  | { readonly kernel: string; readonly initramfs: string; readonly volumeTemplate?: string | undefined }
  | { readonly folder: string };

export interface ResolveGuestOptions {
  readonly architecture: Architecture;
  /** Used before everything else. Default: what follows from the environment and the other options. */
  readonly guest?: GuestFiles | undefined;
  /**
   * A bundle in a registry: `ghcr.io/me/vz-linux:2`, or without a tag, which then is the architecture. Default: the
   * environment's `ZLAYER_VZ_LINUX_BUNDLE`, or none.
   */
  readonly bundle?: string | undefined;
  /** How registries are reached. Default: as `pullArtifact` of @zlayer/oci-pull does. */
  readonly registry?: RegistryOptions | undefined;
  /** Milliseconds for which the registry is not asked again what a bundle's name means. Default: one hour. */
  readonly bundleFreshFor?: number | undefined;
  /** Default: `defaultCacheDir()`. */
  readonly cacheDir?: string | undefined;
  /** Default: `process.env`. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what is being done, one line at a time. Silent when everything is cached. */
  readonly onProgress?: ((line: string) => void) | undefined;
}

/** What a VM needs to boot a guest: two files, and a third to make volumes from. */
export interface Guest {
  readonly architecture: Architecture;
  /** Path of the kernel: a bzImage for amd64, an uncompressed Image for arm64. */
  readonly kernel: string;
  /** Path of the initramfs with the agent in it. */
  readonly initramfs: string;
  /** Path of what `createVolume` makes volumes from; absent where there is none and no e2fsprogs to make one. */
  readonly volumeTemplate: string | undefined;
  /** The kernel's release, for example `6.1.0-56-cloud-amd64`; unknown for a kernel that somebody named. */
  readonly kernelVersion: string | undefined;
  /** The version of @zlayer/vzagent that the agent is of; unknown for an initramfs that somebody named. */
  readonly agentVersion: string | undefined;
  /** Where it was found; the order is the order in which they are tried. */
  readonly source: 'option' | 'environment' | 'registry' | 'package' | 'debian';
  /** What somebody should be told, one sentence each: that a registry did not answer, and how old the bundle is. */
  readonly warnings: readonly string[];
}
