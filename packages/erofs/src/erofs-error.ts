/** What went wrong. Codes are stable: programs may branch on them. */
export type ErofsErrorCode =
  /** A name that is empty, `.`, `..`, longer than 255 bytes, or has a `/`, a NUL or a character that is no byte. */
  | 'INVALID_NAME'
  /** Two entries of a directory have the same name. */
  | 'DUPLICATE_NAME'
  /** A directory that is reached twice: a cycle, or a hard link to a directory. */
  | 'DIRECTORY_LOOP'
  /** A symlink whose target is empty, longer than 4095 bytes, or has a NUL or a character that is no byte. */
  | 'INVALID_TARGET'
  /** An extended attribute whose name EROFS cannot hold, that is given twice, or that is too large. */
  | 'INVALID_XATTR'
  /** A number that does not fit its field: a mode, an owner, a time, a device number, a count of links, a size. */
  | 'OUT_OF_RANGE'
  /** A file got more or fewer bytes than its size. */
  | 'WRONG_SIZE'
  /** A file's data comes from another writer, was discarded, or is still being written. */
  | 'INVALID_DATA'
  /** A node whose `type` is none of the known ones. */
  | 'INVALID_NODE'
  /** The UUID or the label is malformed. */
  | 'INVALID_OPTION'
  /** The image would need more than 2³² − 1 blocks. */
  | 'IMAGE_TOO_LARGE'
  /** The writer was used after `finish` had been called. */
  | 'FINISHED'
  /** The writer was used after it had been aborted. */
  | 'ABORTED'
  /** The system refused to create, write, read or rename a file. `cause` says why. */
  | 'IO';

export interface ErofsErrorOptions {
  cause?: unknown;
  entry?: string | undefined;
}

/** The one error of this package. An abort by a signal is not one: it is the signal's reason. */
export class ErofsError extends Error {
  override readonly name = 'ErofsError';
  readonly code: ErofsErrorCode;
  /** Path in the image of the entry at fault, quoted as in JSON; `undefined` where none is. */
  readonly entry: string | undefined;

  constructor(code: ErofsErrorCode, message: string, options: ErofsErrorOptions = {}) {
    super(
      options.entry === undefined ? message : `${options.entry}: ${message}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.entry = options.entry;
  }
}

/** A failed system call as an `ErofsError`; one that is an `ErofsError` already stays as it is. */
export function ioError(what: string, cause: unknown): unknown {
  if (!isSystemError(cause)) return cause;
  return new ErofsError('IO', `${what}: ${cause.message}`, { cause });
}

export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}
