import { ZlayerError } from '@zlayer/runtime-core';

/** Exit codes for failures that are not the workload's own, as Docker has them. */
export const EXIT_USAGE = 125;
const EXIT_NOT_EXECUTABLE = 126;
const EXIT_NOT_FOUND = 127;
/** As a program that SIGPIPE ended: the reader of the output has gone and needs no message. */
const EXIT_BROKEN_PIPE = 141;

/** Says what went wrong and what to do about it, and gives the exit code that stands for it. */
export function report(error: unknown): number {
  if (error instanceof Error && 'code' in error && error.code === 'EPIPE') return EXIT_BROKEN_PIPE;
  if (!(error instanceof ZlayerError)) {
    console.error('zlayer: unexpected failure:', error);
    return EXIT_USAGE;
  }
  console.error(`zlayer: ${error.message}`);
  if (error.remedy) console.error(error.remedy);
  return exitCodeFor(error);
}

/** The agent's refusals of a command have codes of their own in every container tool. */
function exitCodeFor({ code, message }: ZlayerError): number {
  if (code !== 'START_FAILED' || !message.startsWith('exec ')) return EXIT_USAGE;
  return message.includes('not found') ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}
