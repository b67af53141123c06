import { type ErrorCode, ZlayerError, type ZlayerErrorOptions } from '@zlayer/runtime-core/errors';

const codes = {
  INVALID_REFERENCE: 'INVALID_SPEC',
  IMAGE_UNKNOWN: 'NOT_FOUND',
  BLOB_UNKNOWN: 'NOT_FOUND',
  NO_MATCHING_PLATFORM: 'NOT_FOUND',
  UNAUTHORIZED: 'PULL_FAILED',
  CREDENTIALS_FAILED: 'UNAVAILABLE',
  PUSH_REFUSED: 'UNAVAILABLE',
  UNSUPPORTED_MEDIA_TYPE: 'UNSUPPORTED',
  INVALID_MANIFEST: 'PULL_FAILED',
  INVALID_CONFIG: 'PULL_FAILED',
  INVALID_LAYOUT: 'PULL_FAILED',
  DIGEST_MISMATCH: 'PULL_FAILED',
  SIZE_MISMATCH: 'PULL_FAILED',
  LIMIT_EXCEEDED: 'PULL_FAILED',
  UNSAFE_REDIRECT: 'PULL_FAILED',
  CORRUPT_LAYER: 'PULL_FAILED',
  UNSAFE_PATH: 'PULL_FAILED',
  UNPACK_FAILED: 'PULL_FAILED',
  CONNECTION_FAILED: 'NETWORK',
  SERVER_FAILED: 'NETWORK',
  TIMED_OUT: 'TIMEOUT',
  STORE_FAILED: 'INTERNAL',
} as const satisfies Record<string, ErrorCode>;

/** What exactly went wrong with an image. Reasons are stable: programs may branch on them. */
export type OciErrorReason = keyof typeof codes;

/** Every error that this package throws on purpose, apart from an abort (which throws the signal's reason). */
export class OciError extends ZlayerError {
  override readonly name: string = 'OciError';
  readonly reason: OciErrorReason;

  constructor(reason: OciErrorReason, message: string, options: ZlayerErrorOptions = {}) {
    super(codes[reason], message, options);
    this.reason = reason;
  }
}

/** The `code` of a Node.js system error, such as `ENOENT`. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
