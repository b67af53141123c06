import { spawn } from 'node:child_process';
import { ZlayerError } from '@zlayer/runtime-core';

export interface RunCommandOptions {
  cwd?: string | undefined;
  env?: NodeJS.ProcessEnv | undefined;
  signal?: AbortSignal | undefined;
  /** What to do when there is no such program, as one sentence. */
  remedy: string;
}

const SHOWN_ERROR_OUTPUT = 4_000;

/**
 * Runs a program to its end and returns what it wrote to its standard output.
 *
 * @throws {ZlayerError} `UNAVAILABLE` when there is no such program, `INTERNAL` (with the end of its error output) when
 * it fails. An abort ends the program and rejects with the signal's reason.
 */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: RunCommandOptions,
): Promise<string> {
  options.signal?.throwIfAborted();
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: options.signal,
  });
  const output: Buffer[] = [];
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-SHOWN_ERROR_OUTPUT);
  });
  const failure = await new Promise<unknown>((resolve) => {
    let error: Error | undefined;
    child.on('error', (cause) => {
      error = cause;
      // A program that never started has no `close` to wait for.
      if (child.pid === undefined) resolve(cause);
    });
    child.on('close', (code, ended) => resolve(error ?? (code === 0 ? undefined : `${ended ?? `code ${code}`}`)));
  });
  options.signal?.throwIfAborted();
  if (failure === undefined) return Buffer.concat(output).toString('utf8');
  if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') {
    throw new ZlayerError('UNAVAILABLE', `the program ${program} is not installed`, {
      subject: program,
      remedy: options.remedy,
      cause: failure,
    });
  }
  const how = failure instanceof Error ? failure.message : failure;
  throw new ZlayerError('INTERNAL', `${[program, ...args].join(' ')} failed (${how}): ${errors.trim()}`, {
    subject: program,
    cause: failure,
  });
}
