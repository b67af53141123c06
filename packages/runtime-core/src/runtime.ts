import type { Duplex, Readable } from 'node:stream';
import type { Availability } from './availability.ts';
import type { Cancellable } from './cancellable.ts';
import type { RuntimeCapabilities } from './capabilities.ts';
import type { ContainerId } from './container-id.ts';
import type { ContainerReference } from './container-reference.ts';
import type { ContainerState, ExitResult } from './container-state.ts';
import type { RuntimeEvent } from './events.ts';
import type { BufferedExecOptions, ExecProcess, ExecResult, StreamingExecOptions } from './exec.ts';
import type { ImageDetails, ImageSummary, PruneReport, PulledImage, PullOptions, PushOptions } from './images.ts';
import type { OverlayAttachKind, OverlayConfig, PublishedPort } from './network.ts';
import type { LogChunk, LogOptions, OutputChunk } from './output.ts';
import type { Platform } from './platform.ts';
import type { ServiceSpec, ServiceSpecInput } from './service-spec.ts';
import type { StartReport } from './start-report.ts';
import type { ContainerStats, ProcessEntry } from './stats.ts';

export interface ContainerSummary {
  id: ContainerId;
  instance: string;
  image: string;
  state: ContainerState;
}

export interface ContainerDetails extends ContainerSummary {
  spec: ServiceSpec;
  /** Digest of the image's manifest. */
  imageDigest: string;
  platform: Platform;
  createdAt: Date;
  startedAt?: Date | undefined;
  endedAt?: Date | undefined;
  /** Set once it has ended. */
  exit?: ExitResult | undefined;
  /** Where the runtime keeps what belongs to it, if it keeps anything on disk. */
  directory?: string | undefined;
}

export interface CreatedContainer {
  id: ContainerId;
  /** Tells this container from a later one of the same id. */
  instance: string;
}

/** Which end to wait for. */
export type WaitCondition =
  /** It has ended; at once when it has ended already. One that was not started yet is waited for. */
  | 'not-running'
  /** The next end from now on. */
  | 'next-exit'
  /** It is gone; an unknown container is gone already. */
  | 'removed';

export interface WaitOptions extends Cancellable {
  /** Default: `not-running`. */
  condition?: WaitCondition | undefined;
}

export interface FileStatus {
  name: string;
  /** Bytes. */
  size: number;
  /** Type and permission bits, as in `stat`. */
  mode: number;
  modifiedAt: Date;
  linkTarget?: string | undefined;
}

/**
 * Runs containers. Every runtime fulfils this contract, whatever isolates its containers, and passes the conformance
 * suite.
 *
 * - An unknown container is a `NOT_FOUND` error, except for `stopContainer`, `removeContainer` and waiting for `removed`, which
 *   have nothing left to do then.
 * - Calls that change the state of one container are carried out one after the other, in the order in which they came; waits and
 *   streams are not held up.
 * - Streams apply back-pressure; an abort ends them with the signal's reason.
 * - What a runtime does not declare in its capabilities is `UNSUPPORTED`.
 */
export interface Runtime extends AsyncDisposable {
  /** `qemu`, `vz-linux`, … */
  readonly name: string;

  /** Whether this runtime can run here; if not, what to do about it. */
  availability(): Promise<Availability>;
  /** What this runtime can do. */
  capabilities(): RuntimeCapabilities;

  /** Makes an image ready to run. */
  pullImage(reference: string, options?: PullOptions): Promise<PulledImage>;
  listImages(): Promise<ImageSummary[]>;
  inspectImage(reference: string, options?: { platform?: Platform | undefined }): Promise<ImageDetails>;
  /** `CONFLICT` when a container uses it. */
  removeImage(reference: string): Promise<void>;
  tagImage(reference: string, name: string): Promise<void>;
  /** Removes what no name and no container refers to. */
  pruneImages(options?: Cancellable): Promise<PruneReport>;
  /** A tar archive of images in OCI image-layout form. */
  saveImages(references: readonly string[], options?: Cancellable): Readable;
  /** Takes what `saveImages` writes. Resolves to the names of the images. */
  loadImages(archive: AsyncIterable<Uint8Array>, options?: Cancellable): Promise<string[]>;
  pushImage(reference: string, options?: PushOptions): Promise<void>;

  /** Records a container; nothing runs yet. `ALREADY_EXISTS` when there is one of this id. */
  createContainer(id: ContainerId, spec: ServiceSpecInput, options?: Cancellable): Promise<CreatedContainer>;
  /** The container of this id, or a new one. `CONFLICT` when the one that is there has another spec. */
  getOrCreateContainer(id: ContainerId, spec: ServiceSpecInput, options?: Cancellable): Promise<CreatedContainer>;
  /**
   * Starts a container that is not running; `CONFLICT` when it is. Resolves when its process runs; rejects with `START_FAILED`
   * when it could not be started, and nothing is left running then.
   */
  startContainer(container: ContainerReference, options?: Cancellable): Promise<StartReport>;
  /**
   * Sends the stop signal and, after the grace period (default: the spec's), SIGKILL. Resolves when the container has ended. One
   * that does not run is stopped already; a start that is under way is given up.
   */
  stopContainer(container: ContainerReference, options?: { timeoutMs?: number | undefined }): Promise<void>;
  /** Sends a signal to the container's process, and does nothing else. `CONFLICT` when it is not running. */
  killContainer(container: ContainerReference, signal: string | number): Promise<void>;
  /** Removes a container and all it left on disk. A running one is a `CONFLICT`, unless `force` ends it first. */
  removeContainer(container: ContainerReference, options?: { force?: boolean | undefined }): Promise<void>;
  /** Stops a running container in its tracks. `CONFLICT` when it is not running. */
  pauseContainer(container: ContainerReference): Promise<void>;
  /** `CONFLICT` when it is not paused. */
  unpauseContainer(container: ContainerReference): Promise<void>;
  /** Gives a container another id; it stays the same instance. */
  renameContainer(container: ContainerReference, id: ContainerId): Promise<void>;
  listContainers(): Promise<ContainerSummary[]>;
  /** Removes every container that does not run. Resolves to their ids. */
  pruneContainers(options?: Cancellable): Promise<ContainerId[]>;
  containerState(container: ContainerReference): Promise<ContainerState>;
  inspectContainer(container: ContainerReference): Promise<ContainerDetails>;
  /**
   * How a container ended. One that is removed before it was ever started ended with a `runtime-error`.
   */
  waitContainer(container: ContainerReference, options?: WaitOptions): Promise<ExitResult>;

  /** The last chunks of the log, all by default. */
  containerLogs(container: ContainerReference, options?: { tail?: number | undefined }): Promise<LogChunk[]>;
  /** The recorded output. Invalid UTF-8 may be recorded as U+FFFD: attach to have the exact bytes. */
  logsStream(container: ContainerReference, options?: LogOptions): AsyncIterable<LogChunk>;
  /**
   * The output of a container from now on, in the order in which it arrived, until the container has ended. Attach
   * before the start to have all of it. A reader that does not keep up slows the workload down.
   */
  attachContainer(container: ContainerReference, options?: Cancellable): AsyncIterable<OutputChunk>;
  /** Resolves when the process may be sent more. `CONFLICT` when it is not running or its input is closed. */
  writeStdin(container: ContainerReference, data: Uint8Array, options?: Cancellable): Promise<void>;
  closeStdin(container: ContainerReference): Promise<void>;

  /** Runs a command in a running container to its end. `INVALID_SPEC` when it is empty, `CONFLICT` when nothing runs. */
  exec(container: ContainerReference, command: readonly string[], options?: BufferedExecOptions): Promise<ExecResult>;
  /** Starts a command in a running container. */
  execStream(
    container: ContainerReference,
    command: readonly string[],
    options?: StreamingExecOptions,
  ): Promise<ExecProcess>;
  /** A stream to a TCP port of the container, published or not. `NETWORK` when nobody listens there. */
  connect(container: ContainerReference, port: number, options?: Cancellable): Promise<Duplex>;

  getContainerStats(container: ContainerReference): Promise<ContainerStats>;
  /** A sample now and one each `intervalMs` (default 1000), until the container has ended. */
  statsStream(
    container: ContainerReference,
    options?: Cancellable & { intervalMs?: number | undefined },
  ): AsyncIterable<ContainerStats>;
  topContainer(container: ContainerReference): Promise<ProcessEntry[]>;

  /** A number that stands for the container where a process id is asked for; real where there is a host process. */
  getContainerPid(container: ContainerReference): Promise<number | undefined>;
  getContainerIp(container: ContainerReference): Promise<string | undefined>;
  /** The port at which a container is to be reached instead of the one asked for, if there is such a port. */
  getContainerPortOverride(container: ContainerReference): Promise<number | undefined>;
  portMappings(container: ContainerReference): Promise<PublishedPort[]>;
  overlayAttachKind(): OverlayAttachKind | undefined;
  pushOverlayConfig(container: ContainerReference, config: OverlayConfig): Promise<void>;

  /** A tar archive of a path in the container. */
  archiveGet(container: ContainerReference, path: string, options?: Cancellable): Promise<Readable>;
  /** Unpacks a tar archive into a directory of the container. */
  archivePut(
    container: ContainerReference,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options?: Cancellable,
  ): Promise<void>;
  archiveHead(container: ContainerReference, path: string): Promise<FileStatus>;

  /** What happens from now on, to all containers of this runtime. */
  events(options?: Cancellable): AsyncIterable<RuntimeEvent>;

  /** Takes over what an earlier process has left. Resolves to the containers that were found. */
  recover(): Promise<ContainerSummary[]>;
  /** Ends what this runtime holds. Containers that belong to it end too, unless their spec says `keep`. */
  close(): Promise<void>;
}
