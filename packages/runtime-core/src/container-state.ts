/** Where a container is in its life. */
export type ContainerState =
  /** Created, not started. */
  | { status: 'pending' }
  /** Being started: its machine boots. */
  | { status: 'initializing' }
  | { status: 'running' }
  | { status: 'paused' }
  /** Was asked to end and has not ended yet. */
  | { status: 'stopping' }
  /** Its process ended by itself or by a signal (`exitCode` is 128 + N then). */
  | { status: 'exited'; exitCode: number }
  /** It did not start, or what it ran in went away: there is no exit code. */
  | { status: 'failed'; reason: string };

/** The word that tells a {@link ContainerState}. */
export type ContainerStatus = ContainerState['status'];

/** How a container ended. */
export type ExitResult =
  /** The process ended by itself. */
  | { reason: 'exited'; exitCode: number }
  /** A signal ended the process; `exitCode` is 128 + `signal`. */
  | { reason: 'signal'; exitCode: number; signal: number }
  /** The kernel ended the process because the container had used up its memory; `exitCode` is 137. */
  | { reason: 'oom-killed'; exitCode: number }
  /** The runtime lost the process, or never had one: the exit code is unknown, which is never a success. */
  | { reason: 'runtime-error'; exitCode: undefined; message: string };

/**
 * The states that may follow each other. `pending` comes back only by removing a container and creating it anew, which
 * makes it another instance.
 */
export const STATE_TRANSITIONS: Readonly<Record<ContainerStatus, readonly ContainerStatus[]>> = {
  pending: ['initializing'],
  initializing: ['running', 'failed', 'exited'],
  running: ['paused', 'stopping', 'exited', 'failed'],
  paused: ['running', 'stopping', 'exited', 'failed'],
  stopping: ['exited', 'failed'],
  exited: ['initializing'],
  failed: ['initializing'],
};

/** Whether a container of this status has a process, or is about to have one. */
export function isActive(status: ContainerStatus): boolean {
  return status === 'initializing' || status === 'running' || status === 'paused' || status === 'stopping';
}
