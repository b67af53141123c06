import type { Readable, Writable } from 'node:stream';
import type { Cancellable } from './cancellable.ts';
import type { ExitResult } from './container-state.ts';

export interface ExecOptions extends Cancellable {
  /** Set over the container's own environment. */
  env?: Readonly<Record<string, string>> | undefined;
  /** Default: the container's working directory. */
  cwd?: string | undefined;
  /** Default: the container's user. */
  user?: string | undefined;
}

export interface BufferedExecOptions extends ExecOptions {
  /** The whole standard input. Default: empty. */
  input?: string | Uint8Array | undefined;
  /** Most bytes of stdout and stderr each. More is an error that carries what was read. Default: 64 MiB. */
  maxOutputBytes?: number | undefined;
}

export interface ExecResult {
  /** 128 + N when signal N ended it. */
  exitCode: number;
  signal?: number | undefined;
  stdout: Uint8Array;
  stderr: Uint8Array;
  /** `stdout` and `stderr` as UTF-8; invalid bytes are U+FFFD. */
  stdoutText: string;
  stderrText: string;
}

export interface StreamingExecOptions extends ExecOptions {
  /** A terminal: stdout and stderr come as one. Default: none. */
  tty?: TerminalSize | undefined;
}

export interface TerminalSize {
  columns: number;
  rows: number;
}

/** A process that was started in a running container. */
export interface ExecProcess extends AsyncDisposable {
  /** Its end is the process's end of input. */
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Empty with a terminal. */
  readonly stderr: Readable;
  /** Resolves when it has ended and all output was read. */
  readonly exit: Promise<ExitResult>;
  kill(signal?: string | number): Promise<void>;
  /** `UNSUPPORTED` without a terminal. */
  resize(size: TerminalSize): Promise<void>;
}
