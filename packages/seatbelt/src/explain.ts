import { decidingRule, type SandboxRequest } from './language/evaluate.ts';
import { type ProfileRule, parseProfile } from './language/parse-profile.ts';
import type { SandboxProfile } from './sandbox-profile.ts';

/** Why a request is allowed or not. */
export interface Explanation {
  allowed: boolean;
  /** The rule that decides: the last one that matches. Absent if the profile has none, not even for `default`. */
  rule: ProfileRule | undefined;
}

/**
 * Tells which rule of a profile decides a request. Nothing is run, and it works on every system.
 *
 * @throws ZlayerError `INVALID_SPEC` if the profile uses what this package does not know.
 */
export function explain(profile: SandboxProfile, request: SandboxRequest): Explanation {
  const rule = decidingRule(parseProfile(profile.text, profile.parameters), request);
  return { allowed: rule?.action === 'allow', rule };
}
