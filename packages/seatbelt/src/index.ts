export { type Explanation, explain } from './explain.ts';
export { formatProfile } from './format-profile.ts';
export { generateProfile } from './generate-profile.ts';
export type { SandboxRequest, SocketAddress } from './language/evaluate.ts';
export type { Filter, ProfileParameters } from './language/filter.ts';
export { type ProfileRule, parseProfile } from './language/parse-profile.ts';
export { type PolicyPlaces, policyForSpec } from './policy-for-spec.ts';
export type {
  SandboxFolder,
  SandboxGpu,
  SandboxNetwork,
  SandboxPolicy,
  SandboxSocket,
} from './sandbox-policy.ts';
export { type SandboxProfile, sandboxExecArguments } from './sandbox-profile.ts';
export { type SeatbeltAvailabilityOptions, seatbeltAvailability } from './seatbelt-availability.ts';
export { allowingRule } from './violations/allowing-rule.ts';
export { parseViolation } from './violations/parse-violation.ts';
export type { Violation } from './violations/violation.ts';
export { type WatchViolationsOptions, watchViolations } from './violations/watch-violations.ts';
