import { type ErrorCode, ZlayerError, type ZlayerErrorOptions } from '@zlayer/runtime-core';
import type { MessageOf } from '../message.ts';
import { ProtocolError } from '../protocol-error.ts';
import { printable } from './printable.ts';

/** Why the agent says that a request failed. */
export type FailureKind = MessageOf<'Failed'>['kind'];

/**
 * What went wrong: one of the agent's own kinds, or
 * - `lost`: the connection broke or ended; what became of the request is unknown
 * - `malformed`: the agent sent something that it may not send, or not then
 * - `timeout`: no answer in time; what became of the request is unknown
 * - `reset`: the other end of a tunnel was reset
 * - `reported`: an agent without extensions gave a reason, which has no kind
 */
export type AgentErrorKind = FailureKind | 'lost' | 'malformed' | 'timeout' | 'reset' | 'reported';

const CODES: { readonly [Kind in AgentErrorKind]: ErrorCode } = {
  invalid: 'INVALID_SPEC',
  notFound: 'NOT_FOUND',
  notExecutable: 'START_FAILED',
  unknownUser: 'INVALID_SPEC',
  conflict: 'CONFLICT',
  gone: 'CONFLICT',
  exhausted: 'UNAVAILABLE',
  refused: 'NETWORK',
  unsupported: 'UNSUPPORTED',
  internal: 'INTERNAL',
  lost: 'UNAVAILABLE',
  malformed: 'INTERNAL',
  timeout: 'TIMEOUT',
  reset: 'NETWORK',
  reported: 'START_FAILED',
};

/** The error of everything that an `AgentClient` does. Its `code` follows from its `kind`. */
export class AgentError extends ZlayerError {
  override readonly name = 'AgentError';
  readonly kind: AgentErrorKind;

  constructor(kind: AgentErrorKind, message: string, options?: ZlayerErrorOptions) {
    super(CODES[kind], message, options);
    this.kind = kind;
  }
}

/** The agent's own words, as an error. */
export function failedError(what: string, { kind, message }: MessageOf<'Failed'>, subject?: string): AgentError {
  return new AgentError(kind, `${what}: ${printable(message) || kind}`, { subject });
}

/** What an agent without extensions said, as an error. */
export function reportedError(what: string, { message }: MessageOf<'Error'>, subject?: string): AgentError {
  return new AgentError('reported', `${what}: ${printable(message) || 'no reason given'}`, { subject });
}

export function lostError(what: string, cause?: unknown): AgentError {
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  return new AgentError('lost', `${what}: the connection to the guest agent was lost${reason}`, { cause });
}

export function outOfPlace(what: string, type: string): AgentError {
  return new AgentError('malformed', `${what}: the guest agent sent ${type}, which has no place there`);
}

/** A fault in what was decoded is the agent's; in what was to be encoded it is the caller's. */
export function protocolFault(what: string, cause: unknown): unknown {
  if (!(cause instanceof ProtocolError)) return cause;
  if (cause.offset === undefined && cause.code !== 'ENDED') {
    return new AgentError('invalid', `${what}: ${cause.message}`, { cause });
  }
  return new AgentError('malformed', `${what}: the guest agent sent a malformed message: ${cause.message}`, { cause });
}
