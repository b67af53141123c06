import { isZlayerError, ZlayerError } from './errors.ts';

/** What an exec had read when it met its limit. */
export interface LimitedOutput {
  /** Most bytes of each stream. */
  readonly limit: number;
  /** As far as it was read, at most `limit` bytes. */
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

/** A command wrote more than `maxOutputBytes`; it was ended. Its code is `CONFLICT`. */
export class OutputLimitError extends ZlayerError implements LimitedOutput {
  override readonly name = 'OutputLimitError';
  readonly limit: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;

  constructor(command: readonly string[], { limit, stdout, stderr }: LimitedOutput) {
    super('CONFLICT', `the command wrote more than ${limit} bytes`, {
      subject: command[0],
      remedy: 'Raise maxOutputBytes, or use execStream.',
    });
    this.limit = limit;
    this.stdout = stdout;
    this.stderr = stderr;
  }
}

/** Whether a value is an {@link OutputLimitError}, also one of another copy of this package. */
export function isOutputLimitError(value: unknown): value is OutputLimitError {
  return isZlayerError(value) && value.name === 'OutputLimitError' && 'stdout' in value && 'stderr' in value;
}
