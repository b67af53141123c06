import { ZlayerError } from '@zlayer/runtime-core';

/** `INVALID_SPEC` that names the line of the profile. */
export function profileError(line: number, why: string): ZlayerError {
  return new ZlayerError('INVALID_SPEC', `line ${line} of the profile: ${why}`, { subject: `line ${line}` });
}
