export type { Availability } from './availability.ts';
export { type CommandOverride, type ImageDefaults, mergeCommand, mergeEnv } from './command.ts';
export { type ContainerId, containerIdSchema, formatContainerId } from './container-id.ts';
export type { ContainerState, ExitResult } from './container-state.ts';
export { type ErrorCode, ZlayerError, type ZlayerErrorOptions } from './errors.ts';
export { parseMemory } from './memory.ts';
export { ARCHITECTURES, type Architecture, formatPlatform, type Platform, parsePlatform } from './platform.ts';
export type {
  Cancellable,
  ContainerSummary,
  LogChunk,
  LogOptions,
  OutputChunk,
  PulledImage,
  PullOptions,
  PullProgress,
  RegistryCredentials,
  Runtime,
  StartReport,
} from './runtime.ts';
export {
  PULL_POLICIES,
  type PullPolicy,
  parseServiceSpec,
  platformOf,
  type ServiceSpec,
  type ServiceSpecInput,
  serviceSpecSchema,
} from './service-spec.ts';
export { type SignalName, signalName, signalNumber, signalOfExitCode } from './signals.ts';
export { type Principal, parseUser, type UserReference } from './user.ts';
