/** What kind of failure an error is. Codes are stable: programs may branch on them. */
export type ErrorCode =
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'INVALID_SPEC'
  | 'PULL_FAILED'
  | 'CREATE_FAILED'
  | 'START_FAILED'
  | 'UNSUPPORTED'
  | 'UNAVAILABLE'
  | 'NETWORK'
  | 'TIMEOUT'
  | 'CONFLICT'
  | 'INTERNAL';

export interface ZlayerErrorOptions {
  /** What the failure is about: an image reference, a container id, a path. */
  subject?: string | undefined;
  /** What the reader can do about it, as one sentence. */
  remedy?: string | undefined;
  /** The error that led to this one. */
  cause?: unknown;
}

/** The base of every error that a zlayer package throws on purpose. */
export class ZlayerError extends Error {
  override readonly name: string = 'ZlayerError';
  readonly code: ErrorCode;
  readonly subject: string | undefined;
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, options: ZlayerErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.subject = options.subject;
    this.remedy = options.remedy;
  }
}
