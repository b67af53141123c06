export { type AttachHostOptions, attachHost } from './attach-host.ts';
export { containerDirectory, type DataDirectoryOptions, dataDirectory } from './data-directory.ts';
export { emptyRunDirectory } from './empty-run-directory.ts';
export { EventJournal, type EventJournalOptions } from './events/event-journal.ts';
export type { JournalEntry } from './events/journal-entry.ts';
export type { ReadJournalOptions } from './events/read-journal.ts';
export type { CommonHostConfig, HostConfig, HostProgram, SpecialHostConfig } from './host-config.ts';
export type { HostProcess } from './host-process.ts';
export { hostProgramPath } from './host-program.ts';
export { type HostChild, type HostExit, type HostStatus, readHostStatus } from './host-status.ts';
export { isExecutable } from './is-executable.ts';
export { readJsonFile } from './json-file.ts';
export { type LaunchHostOptions, launchHost } from './launch-host.ts';
export { FileLock, type LockOptions, withFileLock } from './lock/file-lock.ts';
export { JsonFileLog, type JsonFileLogOptions, type LogWriteOptions } from './log/json-file-log.ts';
export { type LogEntry, type LogStream, MAX_LOG_ENTRY_BYTES } from './log/log-entry.ts';
export { type ReadLogOptions, readJsonFileLog } from './log/read-json-file-log.ts';
export { diskUsage } from './orphans/disk-usage.ts';
export { type FindOrphansOptions, findOrphans, type Orphan, removeOrphan } from './orphans/find-orphans.ts';
export { findHosts, type RunningHost } from './orphans/host-processes.ts';
export { type ClaimOptions, findOwner, type OwnerRecord, Ownership, ownerGone } from './owner/ownership.ts';
export { pinnedMac } from './pinned-mac.ts';
export type { DatagramChannel } from './ports/datagram-channel.ts';
export { findPortHolder, type PortHolder } from './ports/port-holder.ts';
export { ALL_ADDRESSES, type PortConnector, PortPublisher, type PublishOptions } from './ports/port-publisher.ts';
export { type PublishedSocket, publishUnixSocket } from './ports/publish-unix-socket.ts';
export type { OpenStream } from './ports/stream-listener.ts';
export { isAlive, type ProcessIdentity, processIdentity } from './process-identity.ts';
export { type ProcessStatistics, processStatistics } from './process-statistics.ts';
export { JsonRecord, type JsonRecordOptions, type RecordSchema } from './record/json-record.ts';
export {
  MAX_SOCKET_NAME_BYTES,
  MAX_SOCKET_PATH_BYTES,
  type RunDirectoryOptions,
  removeRunDirectory,
  runDirectory,
  socketPath,
} from './run-directory.ts';
export {
  type Supervisor,
  type SupervisorOptions,
  type SupervisorRequest,
  serveSupervisor,
} from './supervisor/serve-supervisor.ts';
export { type StartSupervisorOptions, startSupervisor } from './supervisor/start-supervisor.ts';
export {
  type ConnectSupervisorOptions,
  connectSupervisor,
  type SupervisorClient,
  type SupervisorRequestOptions,
} from './supervisor/supervisor-client.ts';
export {
  bootFiles,
  type LaunchOptions,
  type Vm,
  type VmConfig,
  type VmDisk,
  type VmDriver,
  type VmExit,
  type VmLimits,
  type VmMemory,
  type VmNetwork,
  type VmShare,
  type VmState,
} from './vm.ts';
export { connectVsock, listenVsock, type VsockListener } from './vsock.ts';
export { writeFileAtomic } from './write-file-atomic.ts';
