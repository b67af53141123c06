import type { Readable, Writable } from 'node:stream';
import type { Runtime } from '@zlayer/runtime-core';
import type { CommonOptions } from './common-options.ts';

/** Where a command writes text. */
export interface TextTarget extends Writable {
  isTTY?: boolean | undefined;
  columns?: number | undefined;
  rows?: number | undefined;
}

/** Where a command reads from; raw mode is only there on a terminal. */
export interface InputSource extends Readable {
  isTTY?: boolean | undefined;
  setRawMode?(mode: boolean): unknown;
}

/** What the commands are given of the world. */
export interface Cli {
  stdin: InputSource;
  stdout: TextTarget;
  stderr: TextTarget;
  env: Readonly<Record<string, string | undefined>>;
  /** A runtime of this process, for images and for a container that ends with it. */
  local(options: CommonOptions): Promise<Runtime>;
  /** The supervisor's runtime, for containers that outlive this process. Starts the supervisor. */
  supervised(options: CommonOptions): Promise<Runtime>;
}

/** Writes a line to stdout. */
export function say(cli: Cli, text: string): void {
  cli.stdout.write(`${text}\n`);
}
