import type {
  Cancellable,
  ContainerDetails,
  ContainerId,
  ContainerState,
  ContainerSummary,
  ExitResult,
  LogChunk,
  LogOptions,
  OutputChunk,
  PublishedPort,
  ServiceSpec,
  StartReport,
  TerminalSize,
  WaitOptions,
} from '@zlayer/runtime-core';
import type { Guest } from './guest.ts';

/** A container, whether this process owns it or another one. */
export interface ContainerHandle {
  readonly id: ContainerId;
  readonly instance: string;
  readonly spec: ServiceSpec;
  readonly summary: ContainerSummary;
  readonly details: ContainerDetails;
  readonly state: ContainerState;
  readonly imageDigest: string;
  readonly ports: readonly PublishedPort[];
  /**
   * The guest of the running container, which is in use until the second is called. `CONFLICT` when it does not run.
   */
  guest(): Promise<[guest: Guest, done: () => void]>;
  start(options: Cancellable): Promise<StartReport>;
  stop(timeoutMs: number): Promise<void>;
  kill(signal: string | number): Promise<void>;
  remove(force: boolean): Promise<void>;
  pause(): Promise<void>;
  unpause(): Promise<void>;
  wait(options: WaitOptions): Promise<ExitResult>;
  attach(options: Cancellable): AsyncIterable<OutputChunk>;
  logs(options: LogOptions): AsyncIterable<LogChunk>;
  writeStdin(data: Uint8Array, options: Cancellable): Promise<void>;
  closeStdin(): Promise<void>;
  resize(size: TerminalSize): Promise<void>;
}
