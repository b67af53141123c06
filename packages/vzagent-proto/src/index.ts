export {
  AgentClient,
  type AgentClientOptions,
  type AgentInfo,
  type ArchivePutOptions,
  type AttachOptions,
  type ConnectOptions,
  EXTENSIONS_VERSION,
  type ExecuteSpec,
  type GuestNetwork,
  type GuestProcess,
  type GuestStatistics,
  type OverlaySettings,
  type PressureThreshold,
  type StartSpec,
  type TunnelTarget,
  type WatchOptions,
} from './client/agent-client.ts';
export { AgentError, type AgentErrorKind, type FailureKind } from './client/agent-error.ts';
export type {
  Acknowledge,
  AgentProcess,
  ProcessExit,
  ProcessOptions,
  ProcessOutput,
  SignalTarget,
  TerminalSize,
} from './client/agent-process.ts';
export type { FileInfo } from './client/archive.ts';
export type { Datagrams } from './client/datagrams.ts';
export type { CallOptions } from './client/deadline.ts';
export type { ProcessTerms } from './client/extended-dialect.ts';
export type { LegacyAgent, LegacyRunOptions } from './client/legacy-agent.ts';
export type { LegacyExec } from './client/legacy-start.ts';
export type { Connect } from './client/message-connection.ts';
export type { GuestEvent } from './client/watch.ts';
export { decodeFrame, encodeFrame, encodeFrameParts } from './frame.ts';
export { FrameDecoder, type FrameDecoderOptions, type UnknownTags } from './frame-decoder.ts';
export { CONTROL_PORT, MAX_FRAME_LENGTH } from './limits.ts';
export { type Message, type MessageOf, type MessageType, TAGS, type UnknownMessage } from './message.ts';
export { ProtocolError, type ProtocolErrorCode } from './protocol-error.ts';
