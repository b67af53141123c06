import type { Availability } from './availability.ts';
import type { ContainerId } from './container-id.ts';
import type { ContainerState, ExitResult } from './container-state.ts';
import type { Platform } from './platform.ts';
import type { PullPolicy, ServiceSpecInput } from './service-spec.ts';

/** Lets a caller give up. An aborted call rejects with the signal's reason and leaves nothing half done. */
export interface Cancellable {
  signal?: AbortSignal | undefined;
}

/** One step of a pull, for a progress display. */
export type PullProgress =
  /** The manifest for the platform is known, and how many bytes its layers have, compressed. */
  | { type: 'resolved'; digest: string; total: number }
  /** A blob got further: `bytes` of `total` are there; `exists` means that it was there before. */
  | { type: 'blob'; digest: string; state: 'waiting' | 'downloading' | 'exists' | 'done'; bytes: number; total: number }
  /** The image's layers are being laid out as a root file system. */
  | { type: 'unpacking'; digest: string };

export interface PullOptions extends Cancellable {
  /** Default: `ifNotPresent`. */
  policy?: PullPolicy | undefined;
  /** Default: Linux on the host's own architecture. */
  platform?: Platform | undefined;
  auth?: RegistryCredentials | undefined;
  onProgress?: ((progress: PullProgress) => void) | undefined;
}

export interface RegistryCredentials {
  username: string;
  password: string;
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

/** A piece of a workload's output, exactly as the workload wrote it. */
export interface OutputChunk {
  stream: 'stdout' | 'stderr';
  data: Uint8Array;
}

/** A piece of a container's log: a line with its newline, or a part of a long line. */
export interface LogChunk extends OutputChunk {
  /** When the runtime received it. */
  time: Date;
}

export interface LogOptions extends Cancellable {
  /** Go on until the container has ended. Default: `false`. */
  follow?: boolean | undefined;
  /** Begin that many lines before the end. Default: at the beginning. */
  tail?: number | undefined;
}

/** How long the stages of a start took, in milliseconds. */
export interface StartReport {
  stages: {
    /** The root file system was made ready. */
    root: number;
    /** The machine was launched, and booted until its agent answered. */
    boot: number;
    /** The workload was started. */
    workload: number;
  };
}

export interface ContainerSummary {
  id: ContainerId;
  image: string;
  state: ContainerState;
}

/**
 * Runs containers. Every runtime fulfils this contract, whatever isolates its containers.
 *
 * An unknown container is a `NOT_FOUND` error everywhere but in `stopContainer` and `removeContainer`, which have nothing
 * left to do then. Calls that change the state of one container wait for each other.
 */
export interface Runtime extends AsyncDisposable {
  /** `qemu`, `vz-linux`, … */
  readonly name: string;

  /** Whether this runtime can run here; if not, what to do about it. */
  availability(): Promise<Availability>;

  /** Makes an image ready to run. */
  pullImage(reference: string, options?: PullOptions): Promise<PulledImage>;

  /** Records a container; nothing runs yet. `ALREADY_EXISTS` when there is one of this id. */
  createContainer(id: ContainerId, spec: ServiceSpecInput, options?: Cancellable): Promise<void>;

  /**
   * Starts a container that is not running. Resolves when its process runs; rejects with `START_FAILED` when it could
   * not be started, and nothing is left running then.
   */
  startContainer(id: ContainerId, options?: Cancellable): Promise<StartReport>;

  /** Sends the stop signal and, after the grace period (default 10 000 ms), SIGKILL. Resolves when it has ended. */
  stopContainer(id: ContainerId, options?: { timeoutMs?: number | undefined }): Promise<void>;

  /** Sends a signal to the container's process, and does nothing else. `CONFLICT` when it is not running. */
  killContainer(id: ContainerId, signal: string | number): Promise<void>;

  /** Removes a container and all it left on disk. A running one is a `CONFLICT`, unless `force` ends it first. */
  removeContainer(id: ContainerId, options?: { force?: boolean | undefined }): Promise<void>;

  containerState(id: ContainerId): Promise<ContainerState>;
  listContainers(): Promise<ContainerSummary[]>;

  /**
   * Resolves when the container has ended, at once when it has ended already. One that was not started yet is waited for
   * until it was started and has ended; one that is removed before is a `runtime-error`.
   */
  waitContainer(id: ContainerId, options?: Cancellable): Promise<ExitResult>;

  /**
   * The output of a container from now on, in the order in which it arrived, until the container has ended. Attach
   * before the start to have all of it. A reader that does not keep up slows the workload down.
   */
  attachContainer(id: ContainerId, options?: Cancellable): AsyncIterable<OutputChunk>;

  /** The recorded output. Invalid UTF-8 is recorded as U+FFFD: attach to have the exact bytes. */
  logsStream(id: ContainerId, options?: LogOptions): AsyncIterable<LogChunk>;

  /** Ends what this runtime holds. Containers that belong to it end too, unless their spec says `keep`. */
  close(): Promise<void>;
}
