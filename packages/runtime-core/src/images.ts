import type { Cancellable } from './cancellable.ts';
import type { Platform } from './platform.ts';
import type { PullPolicy, SourcePolicy } from './service-spec.ts';

/** One step of a pull, for a progress display. */
export type PullProgress =
  /** The manifest for the platform is known, and how many bytes its layers have, compressed. */
  | { type: 'resolved'; digest: string; total: number }
  /** A blob got further: `bytes` of `total` are there; `exists` means that it was there before. */
  | {
      type: 'blob';
      digest: string;
      state: 'waiting' | 'downloading' | 'exists' | 'done';
      bytes: number;
      total: number;
      /** Bytes a second, where the runtime measures it. */
      rate?: number | undefined;
    }
  /** A mirror or another place before the registry failed for a blob, which is had from the next one. */
  | { type: 'fault'; digest: string; place: string; error: unknown }
  /** The first of the image's layers begins to be laid out as a root file system, while others may still arrive. */
  | { type: 'unpacking'; digest: string };

/** Who asks a registry. */
export interface RegistryCredentials {
  username: string;
  password: string;
}

/** Options of `pullImage`. */
export interface PullOptions extends Cancellable {
  /** Default: `ifNotPresent`. */
  policy?: PullPolicy | undefined;
  /** Where it may come from. Default: `any`. */
  source?: SourcePolicy | undefined;
  /** Default: Linux on the host's own architecture. */
  platform?: Platform | undefined;
  auth?: RegistryCredentials | undefined;
  onProgress?: ((progress: PullProgress) => void) | undefined;
}

/** An image that is ready to run. */
export interface PulledImage {
  /** The full reference, with registry and tag or digest. */
  reference: string;
  /** Digest of the manifest for the platform. */
  digest: string;
  platform: Platform;
  /** Compressed size in bytes. */
  size: number;
}

/** An image in the local store. */
export interface ImageSummary extends PulledImage {
  /** When it was stored. */
  createdAt?: Date | undefined;
}

/** What an image says about itself. */
export interface ImageDetails extends ImageSummary {
  entrypoint: readonly string[];
  command: readonly string[];
  env: readonly string[];
  /** Empty when the image says nothing. */
  workdir: string;
  /** Empty when the image says nothing, which means root. */
  user: string;
  stopSignal?: string | undefined;
  labels: Readonly<Record<string, string>>;
  layers: readonly { digest: string; size: number }[];
}

/** Options of `pushImage`. */
export interface PushOptions extends Cancellable {
  auth?: RegistryCredentials | undefined;
  onProgress?: ((progress: PullProgress) => void) | undefined;
}

/** What was removed from the store. */
export interface PruneReport {
  removed: readonly string[];
  /** Bytes. */
  reclaimed: number;
}
