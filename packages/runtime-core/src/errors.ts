import { type ErrorData, serializeError } from './error-data.ts';

/** What kinds of failure there are. Codes are stable: programs may branch on them. */
export const ERROR_CODES = [
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'INVALID_SPEC',
  'PULL_FAILED',
  'CREATE_FAILED',
  'START_FAILED',
  'UNSUPPORTED',
  'UNAVAILABLE',
  'NETWORK',
  'TIMEOUT',
  'CONFLICT',
  'INTERNAL',
] as const;
/** One of the {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** What an error may say beside its message. */
export interface ZlayerErrorOptions {
  /** What the failure is about: an image reference, a container id, a path. */
  subject?: string | undefined;
  /** What the reader can do about it, as one sentence. */
  remedy?: string | undefined;
  /** The error that led to this one. */
  cause?: unknown;
}

/** Marks the errors of every copy of this package: the registry of symbols is shared by all realms of a thread. */
const BRAND = Symbol.for('@zlayer/runtime-core/error');

/** The base of every error that a zlayer package throws on purpose. Absent options are absent properties. */
export class ZlayerError extends Error {
  override readonly name: string = 'ZlayerError';
  readonly code: ErrorCode;
  declare readonly subject: string | undefined;
  declare readonly remedy: string | undefined;

  static {
    Object.defineProperty(ZlayerError.prototype, BRAND, { value: true });
  }

  constructor(code: ErrorCode, message: string, options: ZlayerErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    if (options.subject !== undefined) this.subject = options.subject;
    if (options.remedy !== undefined) this.remedy = options.remedy;
  }

  /**
   * The error as plain data that structured cloning and JSON keep, with its causes; `errorFromJSON` makes an error of it
   * again. Structured cloning of the error itself would lose all but its message, its stack and its causes.
   */
  toJSON(): ErrorData {
    return serializeError(this);
  }
}

/** An error of one code. */
export type ErrorOf<Code extends ErrorCode> = ZlayerError & { readonly code: Code };

/** The class of the errors of one code. */
export interface ErrorClass<Code extends ErrorCode> {
  new (message: string, options?: ZlayerErrorOptions): ErrorOf<Code>;
  readonly prototype: ErrorOf<Code>;
}

function errorClass<Code extends ErrorCode>(code: Code, name: string): ErrorClass<Code> {
  const OfCode = class extends ZlayerError {
    override readonly name: string = name;

    constructor(message: string, options: ZlayerErrorOptions = {}) {
      super(code, message, options);
    }
  };
  Object.defineProperty(OfCode, 'name', { value: name });
  // Errors of this code that are made by the base class, or by a package's own subclass of it, belong here too.
  Object.defineProperty(OfCode, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      if (this !== OfCode) return Function.prototype[Symbol.hasInstance].call(this, value);
      return value instanceof ZlayerError && value.code === code;
    },
  });
  return OfCode as unknown as ErrorClass<Code>;
}

/** There is no such container, image, file or program. */
export const NotFoundError = errorClass('NOT_FOUND', 'NotFoundError');
export type NotFoundError = ErrorOf<'NOT_FOUND'>;

/** The name is taken. */
export const AlreadyExistsError = errorClass('ALREADY_EXISTS', 'AlreadyExistsError');
export type AlreadyExistsError = ErrorOf<'ALREADY_EXISTS'>;

/** What was asked for is malformed: a spec, a reference, an amount, a signal. */
export const InvalidSpecError = errorClass('INVALID_SPEC', 'InvalidSpecError');
export type InvalidSpecError = ErrorOf<'INVALID_SPEC'>;

/** An image could not be brought here, or is not what its digests say. */
export const PullFailedError = errorClass('PULL_FAILED', 'PullFailedError');
export type PullFailedError = ErrorOf<'PULL_FAILED'>;

/** A container could not be made. */
export const CreateFailedError = errorClass('CREATE_FAILED', 'CreateFailedError');
export type CreateFailedError = ErrorOf<'CREATE_FAILED'>;

/** A container could not be started; nothing of it runs. */
export const StartFailedError = errorClass('START_FAILED', 'StartFailedError');
export type StartFailedError = ErrorOf<'START_FAILED'>;

/** This runtime cannot do it, on any machine. */
export const UnsupportedError = errorClass('UNSUPPORTED', 'UnsupportedError');
export type UnsupportedError = ErrorOf<'UNSUPPORTED'>;

/** It cannot be done on this machine as it is: something is missing, or gone. */
export const UnavailableError = errorClass('UNAVAILABLE', 'UnavailableError');
export type UnavailableError = ErrorOf<'UNAVAILABLE'>;

/** A connection failed. */
export const NetworkError = errorClass('NETWORK', 'NetworkError');
export type NetworkError = ErrorOf<'NETWORK'>;

/** It took longer than it may. (Not called TimeoutError: that is what `AbortSignal.timeout` throws.) */
export const TimedOutError = errorClass('TIMEOUT', 'TimedOutError');
export type TimedOutError = ErrorOf<'TIMEOUT'>;

/** The state of things does not allow it: a port is taken, a container runs, or was replaced under its name. */
export const ConflictError = errorClass('CONFLICT', 'ConflictError');
export type ConflictError = ErrorOf<'CONFLICT'>;

/** Something of ours went wrong. */
export const InternalError = errorClass('INTERNAL', 'InternalError');
export type InternalError = ErrorOf<'INTERNAL'>;

/** The class of every code. */
export const ERROR_CLASSES: { readonly [Code in ErrorCode]: ErrorClass<Code> } = {
  NOT_FOUND: NotFoundError,
  ALREADY_EXISTS: AlreadyExistsError,
  INVALID_SPEC: InvalidSpecError,
  PULL_FAILED: PullFailedError,
  CREATE_FAILED: CreateFailedError,
  START_FAILED: StartFailedError,
  UNSUPPORTED: UnsupportedError,
  UNAVAILABLE: UnavailableError,
  NETWORK: NetworkError,
  TIMEOUT: TimedOutError,
  CONFLICT: ConflictError,
  INTERNAL: InternalError,
};

/** Whether a value is one of the {@link ERROR_CODES}. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return ERROR_CODES.includes(value as ErrorCode);
}

/**
 * Whether a value is a {@link ZlayerError}, also one of another copy of this package or of another realm, for which
 * `instanceof` says no. A structured clone of an error is none: send `error.toJSON()` instead.
 */
export function isZlayerError(value: unknown): value is ZlayerError {
  if (typeof value !== 'object' || value === null || !(BRAND in value)) return false;
  const { code, message } = value as { code?: unknown; message?: unknown };
  return isErrorCode(code) && typeof message === 'string';
}
