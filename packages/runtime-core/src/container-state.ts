/** Where a container is in its life. */
export type ContainerState =
  /** Created, not started. */
  | { status: 'pending' }
  /** Being started: its machine boots. */
  | { status: 'initializing' }
  | { status: 'running' }
  /** Was asked to end and has not ended yet. */
  | { status: 'stopping' }
  /** Its process ended by itself or by a signal (`exitCode` is 128 + N then). */
  | { status: 'exited'; exitCode: number }
  /** It did not start, or what it ran in went away: there is no exit code. */
  | { status: 'failed'; reason: string };

/** How a container ended. */
export type ExitResult =
  /** The process ended by itself. */
  | { reason: 'exited'; exitCode: number }
  /** A signal ended the process; `exitCode` is 128 + `signal`. */
  | { reason: 'signal'; exitCode: number; signal: number }
  /** The runtime lost the process, so its exit code is unknown: never a success. */
  | { reason: 'runtime-error'; exitCode: undefined; message: string };
