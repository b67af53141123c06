import type { Duplex } from 'node:stream';
import type { TerminalSize } from '../exec.ts';
import type { FakeFiles } from './fake-files.ts';

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
  /** 1 for the workload of a container without init. */
  readonly pid: number;
  readonly hostname: string;
  /** The files of the container, with all that is mounted. */
  readonly files: FakeFiles;
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
  /** Lets `connect` and a published port reach this port. It is closed when the process ends. */
  listen(port: number, serve: (socket: Duplex) => void): void;
  /** Lets a published socket reach this path. It is closed when the process ends. */
  listenAt(path: string, serve: (socket: Duplex) => void): void;
  /** Receives the datagrams of a published UDP port. */
  receive(port: number, serve: (data: Uint8Array, reply: (data: Uint8Array) => void) => void): void;
  /**
   * Counts memory as used by the process. When the container has more than its limit then, the process is ended for want
   * of memory.
   */
  allocate(bytes: number): Promise<void>;
}

/**
 * A program of the fake runtime. It resolves to its exit code; when it rejects, the error's message goes to stderr and
 * the exit code is 1.
 */
export type FakeProgram = (context: FakeProgramContext) => Promise<number>;
