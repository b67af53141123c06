export { abortable } from './abortable.ts';
export type { Availability } from './availability.ts';
export { BaseRuntime } from './base-runtime.ts';
export type { Cancellable } from './cancellable.ts';
export type { ResourceKind, RuntimeCapabilities } from './capabilities.ts';
export { type CommandOverride, type ImageDefaults, mergeCommand, mergeEnv, shellForm } from './command.ts';
export { CompositeRuntime, type CompositeRuntimeOptions } from './composite/composite-runtime.ts';
export type { CompositeDelegate, DelegateKind } from './composite/delegate.ts';
export { ISOLATIONS, type Isolation } from './composite/isolation.ts';
export { Container, type RunOptions, run } from './container.ts';
export {
  type ContainerId,
  checkContainerId,
  containerIdSchema,
  formatContainerId,
  parseContainerId,
} from './container-id.ts';
export type { ContainerInstance, ContainerReference } from './container-reference.ts';
export {
  type ContainerState,
  type ContainerStatus,
  type ExitResult,
  isActive,
  STATE_TRANSITIONS,
} from './container-state.ts';
export { deferErrors } from './defer-errors.ts';
export { detachedExec } from './detached-exec.ts';
export { parseDuration } from './duration.ts';
export type { ErrorData } from './error-data.ts';
export { errorFromJSON } from './error-from-json.ts';
export {
  AlreadyExistsError,
  ConflictError,
  CreateFailedError,
  ERROR_CLASSES,
  ERROR_CODES,
  type ErrorClass,
  type ErrorCode,
  type ErrorOf,
  InternalError,
  InvalidSpecError,
  isErrorCode,
  isZlayerError,
  NetworkError,
  NotFoundError,
  PullFailedError,
  StartFailedError,
  TimedOutError,
  UnavailableError,
  UnsupportedError,
  ZlayerError,
  type ZlayerErrorOptions,
} from './errors.ts';
export { EventBroadcast } from './event-broadcast.ts';
export type { EventOptions, HealthStatus, RuntimeEvent, RuntimeEventType } from './events.ts';
export type {
  BufferedExecOptions,
  ExecOptions,
  ExecProcess,
  ExecResult,
  StreamingExecOptions,
  TerminalSize,
} from './exec.ts';
export { type HealthRule, HealthTracker } from './health-tracker.ts';
export { type ImageReferenceCandidatesOptions, imageReferenceCandidates } from './image-reference-candidates.ts';
export type {
  ImageDetails,
  ImageSummary,
  PruneReport,
  PulledImage,
  PullOptions,
  PullProgress,
  PushOptions,
  RegistryCredentials,
} from './images.ts';
export { ISOLATION_LABEL, RUNTIME_LABEL, VZ_USER_LABEL } from './labels.ts';
export { parseMemory } from './memory.ts';
export type { OverlayAttachKind, OverlayConfig, OverlayPeer, PublishedPort } from './network.ts';
export type { LogChunk, LogOptions, OutputChunk } from './output.ts';
export { isOutputLimitError, type LimitedOutput, OutputLimitError } from './output-limit-error.ts';
export { PendingStarts } from './pending-starts.ts';
export {
  ARCHITECTURES,
  type Architecture,
  formatPlatform,
  OPERATING_SYSTEMS,
  type OperatingSystem,
  type Platform,
  parsePlatform,
  samePlatform,
} from './platform.ts';
export {
  DEFAULT_HOST_ADDRESS,
  formatPortMapping,
  PORT_PROTOCOLS,
  type PortMapping,
  type PortProtocol,
  parsePortMapping,
  parsePortMappings,
} from './port-mapping.ts';
export { pseudoPid } from './pseudo-pid.ts';
export { type EndedRun, type RestartRule, restartDelay } from './restart-delay.ts';
export { type RestartCounts, RestartPlan, type RestartPlanOptions } from './restart-plan.ts';
export type {
  ContainerDetails,
  ContainerSummary,
  CreatedContainer,
  FileStatus,
  Runtime,
  WaitCondition,
  WaitOptions,
} from './runtime.ts';
export { LINUX_CAPABILITIES, type LinuxCapability, parseLinuxCapability } from './service-spec/linux-capabilities.ts';
export type { SpecProblem } from './service-spec/problems.ts';
export type { SocketMapping } from './service-spec/sockets.ts';
export type { StorageMount, StorageType } from './service-spec/storage.ts';
export {
  type InvalidServiceSpecError,
  NETWORK_MODES,
  type NetworkMode,
  PULL_POLICIES,
  type PullPolicy,
  parseServiceSpec,
  platformOf,
  ROOTFS_TYPES,
  type RootfsType,
  type ServiceSpec,
  type ServiceSpecInput,
  SOURCE_POLICIES,
  type SourcePolicy,
  serviceSpecSchema,
} from './service-spec.ts';
export { exitCodeOfSignal, type SignalName, signalName, signalNumber, signalOfExitCode } from './signals.ts';
export {
  publishStart,
  START_CHANNEL,
  START_STAGES,
  type StartMessage,
  type StartReport,
  type StartStage,
  type StartWarning,
} from './start-report.ts';
export type { ContainerStats, ProcessEntry } from './stats.ts';
export { type MeasuredContainer, statsUntilEnd } from './stats-until-end.ts';
export { refuseUnsupported, unsupportedPlaces } from './unsupported-places.ts';
export { type Principal, parseUser, type UserReference } from './user.ts';
