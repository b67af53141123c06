import { isZlayerError, type ZlayerError } from '@zlayer/runtime-core';
import type { Cli } from './cli.ts';
import { formatJsonLine } from './format/json.ts';
import { printable } from './format/table.ts';

/** Exit codes for failures that are not the workload's own, as Docker has them. */
export const EXIT_USAGE = 125;
const EXIT_FAILURE = 1;
const EXIT_NOT_EXECUTABLE = 126;
const EXIT_NOT_FOUND = 127;
/** As a program that SIGPIPE ended: the reader of the output has gone and needs no message. */
const EXIT_BROKEN_PIPE = 141;

export interface ReportOptions {
  json?: boolean | undefined;
  /** The command is one whose exit code is its workload's. Default: false. */
  runs?: boolean | undefined;
}

/** Says what went wrong and what to do about it, and gives the exit code that stands for it. */
export function reportError(cli: Pick<Cli, 'stderr'>, error: unknown, { json, runs }: ReportOptions = {}): number {
  if (error instanceof Error && 'code' in error && error.code === 'EPIPE') return EXIT_BROKEN_PIPE;
  const isOurs = isZlayerError(error);
  if (json) {
    const { stack: _, ...data } = isOurs ? error.toJSON() : { code: 'INTERNAL', message: String(error) };
    cli.stderr.write(`${formatJsonLine({ error: data })}\n`);
  } else if (isOurs) {
    cli.stderr.write(`zlayer: ${lines(error.message)}\n`);
    if (error.remedy) cli.stderr.write(`${lines(error.remedy)}\n`);
  } else {
    cli.stderr.write(`zlayer: unexpected failure: ${error instanceof Error ? error.stack : String(error)}\n`);
  }
  if (!runs) return EXIT_FAILURE;
  return isOurs ? exitCodeFor(error) : EXIT_USAGE;
}

/** A program that is not there, or cannot be run, has a code of its own in every container tool. */
function exitCodeFor({ code, cause }: ZlayerError): number {
  if (code !== 'START_FAILED' || !(cause instanceof Error) || !('kind' in cause)) return EXIT_USAGE;
  if (cause.kind === 'notFound') return EXIT_NOT_FOUND;
  return cause.kind === 'notExecutable' ? EXIT_NOT_EXECUTABLE : EXIT_USAGE;
}

/** A message may quote what a guest or a registry said. */
const lines = (text: string): string => text.split('\n').map(printable).join('\n');
