import type { Duplex, Readable } from 'node:stream';
import type { Availability } from './availability.ts';
import type { Cancellable } from './cancellable.ts';
import type { RuntimeCapabilities } from './capabilities.ts';
import type { ContainerId } from './container-id.ts';
import type { ContainerReference } from './container-reference.ts';
import type { ContainerState, ExitResult } from './container-state.ts';
import type { EventOptions, HealthStatus, RuntimeEvent } from './events.ts';
import type { BufferedExecOptions, ExecProcess, ExecResult, StreamingExecOptions, TerminalSize } from './exec.ts';
import type { ImageDetails, ImageSummary, PruneReport, PulledImage, PullOptions, PushOptions } from './images.ts';
import type { OverlayAttachKind, OverlayConfig, PublishedPort } from './network.ts';
import type { LogChunk, LogOptions, OutputChunk } from './output.ts';
import type { Platform } from './platform.ts';
import type { ServiceSpec, ServiceSpecInput } from './service-spec.ts';
import type { StartReport } from './start-report.ts';
import type { ContainerStats, ProcessEntry } from './stats.ts';

/** A container as a list shows it. */
export interface ContainerSummary {
  id: ContainerId;
  instance: string;
  image: string;
  state: ContainerState;
}

/** Everything that a runtime knows about a container. */
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
  /** What its health check says; absent without one, and while it does not run. */
  health?: HealthStatus | undefined;
  /** How often its restart policy has started it again since somebody started it. */
  restarts?: number | undefined;
  /** Where the runtime keeps what belongs to it, if it keeps anything on disk. */
  directory?: string | undefined;
}

/** A container that is there now. */
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
  /** It is gone. An unknown container is gone already, and so is an instance that was replaced under its id. */
  | 'removed';

/** Options of `waitContainer`. */
export interface WaitOptions extends Cancellable {
  /** Default: `not-running`. */
  condition?: WaitCondition | undefined;
}

/** What `archiveHead` says about a path. */
export interface FileStatus {
  name: string;
  /** Bytes. */
  size: number;
  /** Type and permission bits, as in `stat`: `0o100644` for a file, `0o040755` for a directory. */
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
 * - A call that gives a stream never throws itself: what is wrong (an unknown container, an aborted signal) is told by the
 *   first read. The stream is open from the call on all the same. Streams apply back-pressure; an abort ends them with the
 *   signal's reason.
 * - What a runtime does not declare in its capabilities is `UNSUPPORTED`; `createContainer` refuses a spec that asks for it and
 *   names the place.
 */
export interface Runtime extends AsyncDisposable {
  /** `qemu`, `vz-linux`, … */
  readonly name: string;

  /** Whether this runtime can run here; if not, what to do about it. */
  availability(): Promise<Availability>;
  /** What this runtime can do. */
  capabilities(): RuntimeCapabilities;

  /**
   * Makes an image ready to run. `NOT_FOUND` when the policy is `never` and it is not there, or when the registry says that
   * there is none; `PULL_FAILED` or `NETWORK` when it cannot be had for another reason.
   */
  pullImage(reference: string, options?: PullOptions): Promise<PulledImage>;
  /** The images in the local store, once for each name. */
  listImages(): Promise<ImageSummary[]>;
  /** What an image of the local store says about itself. Nothing is pulled. */
  inspectImage(reference: string, options?: { platform?: Platform | undefined }): Promise<ImageDetails>;
  /** `CONFLICT` when a container uses it. */
  removeImage(reference: string): Promise<void>;
  /** Gives an image of the local store another name. */
  tagImage(reference: string, name: string): Promise<void>;
  /** Removes what no name and no container refers to. */
  pruneImages(options?: Cancellable): Promise<PruneReport>;
  /** A tar archive of images in OCI image-layout form. An unknown one is a `NOT_FOUND` at the first read. */
  saveImages(references: readonly string[], options?: Cancellable): Readable;
  /** Takes what `saveImages` writes. Resolves to the names of the images. `INVALID_SPEC` for what is no such archive. */
  loadImages(archive: AsyncIterable<Uint8Array>, options?: Cancellable): Promise<string[]>;
  /** Uploads an image to the registry that its name tells. `NOT_FOUND` when it is not in the local store. */
  pushImage(reference: string, options?: PushOptions): Promise<void>;

  /**
   * Records a container; nothing runs yet. `ALREADY_EXISTS` when there is one of this id. Its image is pulled as the spec's policy
   * says, with the errors of `pullImage`.
   */
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
  /**
   * Sends a signal to the container's process, and does nothing else; it does not wait for other calls, such as a stop that is
   * under way. `CONFLICT` when nothing runs. A paused container is ended by SIGKILL, and gets any other signal when it is
   * unpaused.
   */
  killContainer(container: ContainerReference, signal: string | number): Promise<void>;
  /** Removes a container and all it left on disk. A running one is a `CONFLICT`, unless `force` ends it first. */
  removeContainer(container: ContainerReference, options?: { force?: boolean | undefined }): Promise<void>;
  /** Stops a running container in its tracks, its execs too. `CONFLICT` when it is not running. */
  pauseContainer(container: ContainerReference): Promise<void>;
  /** `CONFLICT` when it is not paused. */
  unpauseContainer(container: ContainerReference): Promise<void>;
  /** Gives a container another id; it stays the same instance. `ALREADY_EXISTS` when the id is taken. */
  renameContainer(container: ContainerReference, id: ContainerId): Promise<void>;
  /** All containers of this runtime, whether or not they run. */
  listContainers(): Promise<ContainerSummary[]>;
  /** Removes every container that does not run. Resolves to their ids. */
  pruneContainers(options?: Cancellable): Promise<ContainerId[]>;
  /** Where a container is in its life. */
  containerState(container: ContainerReference): Promise<ContainerState>;
  /** Everything that is known about a container. */
  inspectContainer(container: ContainerReference): Promise<ContainerDetails>;
  /**
   * How a container ended: by the time this resolves, `containerState` says so too. One that is removed before it was ever
   * started ended with a `runtime-error`.
   */
  waitContainer(container: ContainerReference, options?: WaitOptions): Promise<ExitResult>;

  /** The last chunks of the log, all by default. It grows over all runs of the container. */
  containerLogs(container: ContainerReference, options?: { tail?: number | undefined }): Promise<LogChunk[]>;
  /** The recorded output. Invalid UTF-8 may be recorded as U+FFFD: attach to have the exact bytes. */
  logsStream(container: ContainerReference, options?: LogOptions): AsyncIterable<LogChunk>;
  /**
   * The output of a container from now on, in the order in which it arrived, until its run has ended. Attach before the
   * start to have all of it: a container that does not run, also one that has ended, is attached to for its next run. Removing
   * it ends the stream. A reader that does not keep up slows the workload down. With a terminal all output is stdout.
   */
  attachContainer(container: ContainerReference, options?: Cancellable): AsyncIterable<OutputChunk>;
  /** Resolves when the process may be sent more. `CONFLICT` when it is not running or its input is closed. */
  writeStdin(container: ContainerReference, data: Uint8Array, options?: Cancellable): Promise<void>;
  /** The end of the workload's input. */
  closeStdin(container: ContainerReference): Promise<void>;

  /** Gives the workload's terminal a new size. `CONFLICT` when it is not running, `UNSUPPORTED` when it has no terminal. */
  resizeTerminal(container: ContainerReference, size: TerminalSize): Promise<void>;

  /**
   * Runs a command in a running container to its end. `INVALID_SPEC` when it is empty; `CONFLICT` when the container does not
   * run, also when it is paused. A program that cannot be started is a result: exit code 127 when it is not there, 126 when
   * it cannot be run, and stderr says so.
   */
  exec(container: ContainerReference, command: readonly string[], options?: BufferedExecOptions): Promise<ExecResult>;
  /** Starts a command in a running container, with the errors of `exec`. */
  execStream(
    container: ContainerReference,
    command: readonly string[],
    options?: StreamingExecOptions,
  ): Promise<ExecProcess>;
  /** A stream to a TCP port of the container, published or not. `NETWORK` when nobody listens there. */
  connect(container: ContainerReference, port: number, options?: Cancellable): Promise<Duplex>;

  /** Figures of a running container. `CONFLICT` when it is not running. */
  getContainerStats(container: ContainerReference): Promise<ContainerStats>;
  /** A sample now and one each `intervalMs` (default 1000), until the container has ended. */
  statsStream(
    container: ContainerReference,
    options?: Cancellable & { intervalMs?: number | undefined },
  ): AsyncIterable<ContainerStats>;
  /** The processes of a running container. */
  topContainer(container: ContainerReference): Promise<ProcessEntry[]>;

  /**
   * A number that stands for the container where a process id is asked for: of a real process of the host below 2^30, or a
   * pseudo-PID from 2^30 on that stays the same (see `pseudoPid`). `undefined` when there is none.
   */
  getContainerPid(container: ContainerReference): Promise<number | undefined>;
  /** The address of a running container, if it has one that the host reaches; else `undefined`. */
  getContainerIp(container: ContainerReference): Promise<string | undefined>;
  /** The port at which a container is to be reached instead of the one asked for, if there is such a port. */
  getContainerPortOverride(container: ContainerReference): Promise<number | undefined>;
  /** Published ports with the real ports of the host. Empty while the container does not run. */
  portMappings(container: ContainerReference): Promise<PublishedPort[]>;
  /** How an overlay network reaches containers of this runtime; `undefined` when it does not declare `overlay`. */
  overlayAttachKind(): OverlayAttachKind | undefined;
  /** Gives a running container its interface in an overlay network, or changes it. */
  pushOverlayConfig(container: ContainerReference, config: OverlayConfig): Promise<void>;

  /**
   * A tar archive of a file or directory of the container; entries begin with the last part of the path. `CONFLICT` when it does
   * not run and the runtime does not declare `archiveStopped`. `NOT_FOUND` when there is no such path, `INVALID_SPEC` when it is not absolute. A link at its end is archived, not followed.
   */
  archiveGet(container: ContainerReference, path: string, options?: Cancellable): Promise<Readable>;
  /**
   * Unpacks a tar archive into a directory of the container. `NOT_FOUND` when there is no such directory, `CONFLICT` when it is
   * none or cannot be written to, `INVALID_SPEC` for what is no tar archive or has entries that lead out of the directory with
   * `..`. An absolute name is one below the directory, as for Docker.
   */
  archivePut(
    container: ContainerReference,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options?: Cancellable,
  ): Promise<void>;
  /** What is at a path, without following a link at its end. `NOT_FOUND` when there is nothing. */
  archiveHead(container: ContainerReference, path: string): Promise<FileStatus>;

  /**
   * What happens from now on, to all containers of this runtime: also to those of other programs that use the same data
   * directory, a little later and in no order with the others.
   */
  events(options?: EventOptions): AsyncIterable<RuntimeEvent>;

  /**
   * Takes over what an earlier process has left: containers that run go on, and those that ended meanwhile say how. What
   * belongs to a program that is alive is left to it. Resolves to the containers that were taken over.
   */
  recover(): Promise<ContainerSummary[]>;
  /** Ends what this runtime holds. Containers that belong to it end too, unless their spec says `keep`. */
  close(): Promise<void>;
}
