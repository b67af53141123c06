import type { Duplex } from 'node:stream';
import type { TerminalSize } from '../exec.ts';

/** Where a program writes to. */
export interface FakeOutput {
  /** Resolves when more may be written: a reader that does not keep up holds it back. */
  write(data: string | Uint8Array): Promise<void>;
}

/** Where a program reads from. */
export interface FakeInput extends AsyncIterable<Uint8Array> {
  /** The next piece, or `undefined` at the end of input. */
  read(): Promise<Uint8Array | undefined>;
}

/** What a program of the fake runtime has to work with. When its process has ended, each of its promises rejects. */
export interface FakeProgramContext {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly stdin: FakeInput;
  readonly stdout: FakeOutput;
  /** With a terminal it is the same as stdout. */
  readonly stderr: FakeOutput;
  /** The current size of the terminal, if there is one. */
  readonly terminal: TerminalSize | undefined;
  /** Aborted when the process has ended, for a program that holds something. */
  readonly ended: AbortSignal;
  /**
   * Handles a signal, as a shell's `trap` does; `'ignore'` ignores it. Without a handler a signal does what it does on
   * Linux: most end the process.
   */
  onSignal(signal: string | number, handler: 'ignore' | (() => void | Promise<void>)): void;
  /** Sends a signal to the process itself. */
  raise(signal: string | number): Promise<void>;
  /** Ends the process, also from a signal's handler. */
  exit(code: number): Promise<never>;
  /** Stands still while the process is paused. */
  sleep(milliseconds: number): Promise<void>;
  /** Lets `connect` reach this port. It is closed when the process ends. */
  listen(port: number, serve: (socket: Duplex) => void): void;
}

/**
 * A program of the fake runtime. It resolves to its exit code; when it rejects, the error's message goes to stderr and
 * the exit code is 1.
 */
export type FakeProgram = (context: FakeProgramContext) => Promise<number>;
