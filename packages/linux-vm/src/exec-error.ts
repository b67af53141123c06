import { NotFoundError, ZlayerError } from '@zlayer/runtime-core';
import { AgentError } from '@zlayer/vzagent-proto';

/** What a shell gives for a program that is not there, and for one that cannot be run. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** A program that could not be started in a running container: that is a result of the exec, not an error. */
export interface NotStarted {
  exitCode: number;
  /** What a shell would say about it. */
  message: string;
}

/** The result, if the error says that there is none but one; everything else is thrown. */
export function notStarted(error: unknown, command: readonly string[]): NotStarted {
  if (!(error instanceof AgentError)) throw error;
  const { kind, message: cause } = error;
  if (kind === 'notFound') return { exitCode: NOT_FOUND, message: `${command[0]}: not found: ${cause}\n` };
  if (kind === 'notExecutable')
    return { exitCode: NOT_EXECUTABLE, message: `${command[0]}: cannot be run: ${cause}\n` };
  if (kind === 'unknownUser') throw new NotFoundError(cause, { subject: error.subject, cause: error });
  throw error;
}

/** What is thrown for a call to a container whose guest goes away meanwhile. */
export function gone(name: string, cause: unknown): ZlayerError {
  return new ZlayerError('CONFLICT', `container ${name} is not running any more`, { subject: name, cause });
}
