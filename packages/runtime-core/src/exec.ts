import type { Readable, Writable } from 'node:stream';
import type { Cancellable } from './cancellable.ts';
import type { ExitResult } from './container-state.ts';

/** What every exec may say about its process. */
export interface ExecOptions extends Cancellable {
  /** Set over the container's own environment. */
  env?: Readonly<Record<string, string>> | undefined;
  /** Default: the container's working directory. */
  cwd?: string | undefined;
  /** Default: the container's user. One by name that the container does not know is `NOT_FOUND`. */
  user?: string | undefined;
}

/** Options of `exec`. */
export interface BufferedExecOptions extends ExecOptions {
  /** The whole standard input. Default: empty. */
  input?: string | Uint8Array | undefined;
  /** Most bytes of stdout and stderr each. More ends the command with an `OutputLimitError`. Default: 64 MiB. */
  maxOutputBytes?: number | undefined;
}

/** What became of a command that has run to its end. */
export interface ExecResult {
  /** 128 + N when signal N ended it; 127 when there is no such program, 126 when it cannot be run. */
  exitCode: number;
  signal?: number | undefined;
  stdout: Uint8Array;
  stderr: Uint8Array;
  /** `stdout` and `stderr` as UTF-8; invalid bytes are U+FFFD. */
  stdoutText: string;
  stderrText: string;
}

/** Options of `execStream`. */
export interface StreamingExecOptions extends ExecOptions {
  /** A terminal: stdout and stderr come as one. Default: none. */
  tty?: TerminalSize | undefined;
}

/** The size of a terminal, in characters. */
export interface TerminalSize {
  columns: number;
  rows: number;
}

/**
 * A process that was started in a running container. When the `signal` of its call is aborted, it is ended with SIGKILL;
 * its streams are destroyed with the signal's reason, and `exit` rejects with it.
 */
export interface ExecProcess extends AsyncDisposable {
  /** False when there is no such program, or it cannot be run: `stderr` says why, and `exit` is 127 or 126. */
  readonly hasStarted: boolean;
  /** Its end is the process's end of input. */
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Empty with a terminal. */
  readonly stderr: Readable;
  /** Resolves when it has ended and all output was read. */
  readonly exit: Promise<ExitResult>;
  /** Sends a signal, by default SIGTERM. One to a process that has ended goes nowhere. */
  kill(signal?: string | number): Promise<void>;
  /** `UNSUPPORTED` without a terminal. */
  resize(size: TerminalSize): Promise<void>;
  /**
   * Leaves the process to itself: it goes on, also when this program ends. Its input ends, but for a terminal, which stays
   * open; what it writes from now on is lost. Its streams end here, `exit` rejects with a `CONFLICT`, and neither the
   * call's `signal` nor disposing ends it any more. One that has ended keeps its exit. `UNSUPPORTED` where the runtime
   * does not declare `exec.detach`.
   */
  detach(): Promise<void>;
  /** Ends it with SIGKILL and destroys its streams. */
  [Symbol.asyncDispose](): Promise<void>;
}
