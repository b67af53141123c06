import { ZlayerError } from '@zlayer/runtime-core';
import type { ProfileParameters } from './language/filter.ts';

/** A profile and the values of the parameters that it names. */
export interface SandboxProfile {
  text: string;
  parameters: ProfileParameters;
}

/**
 * The arguments of `sandbox-exec` that run a command under a profile: `-p TEXT -D NAME=VALUE … -- COMMAND`.
 *
 * @param command an absolute path and its arguments.
 * @throws ZlayerError `INVALID_SPEC` for an empty command.
 */
export function sandboxExecArguments(profile: SandboxProfile, command: readonly string[]): string[] {
  if (command.length === 0) throw new ZlayerError('INVALID_SPEC', 'there is no command to run under the profile');
  const parameters = Object.entries(profile.parameters).flatMap(([name, value]) => ['-D', `${name}=${value}`]);
  return ['-p', profile.text, ...parameters, '--', ...command];
}
