import { ZlayerError } from '@zlayer/runtime-core';

/** The code of a system error, such as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The error for a file that could not be used: `NOT_FOUND` if it is not there, else `INTERNAL`. */
export function fileError(what: string, path: string, cause: unknown): ZlayerError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const code = errorCode(cause) === 'ENOENT' ? 'NOT_FOUND' : 'INTERNAL';
  return new ZlayerError(code, `${what} ${path}: ${why}`, { subject: path, cause });
}
