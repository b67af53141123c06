export { type AttachHostOptions, attachHost } from './attach-host.ts';
export { containerDirectory, type DataDirectoryOptions, dataDirectory } from './data-directory.ts';
export type { HostConfig, HostProgram } from './host-config.ts';
export type { HostProcess } from './host-process.ts';
export { hostProgramPath } from './host-program.ts';
export { type HostChild, type HostExit, type HostStatus, readHostStatus } from './host-status.ts';
export { readJsonFile } from './json-file.ts';
export { JsonFileLog, type LogStream, MAX_LOG_ENTRY_BYTES } from './json-file-log.ts';
export { type LaunchHostOptions, launchHost } from './launch-host.ts';
export { isAlive, type ProcessIdentity, processIdentity } from './process-identity.ts';
export { type LogEntry, type ReadLogOptions, readJsonFileLog } from './read-json-file-log.ts';
export {
  MAX_SOCKET_NAME_BYTES,
  MAX_SOCKET_PATH_BYTES,
  type RunDirectoryOptions,
  removeRunDirectory,
  runDirectory,
  socketPath,
} from './run-directory.ts';
export type {
  LaunchOptions,
  Vm,
  VmConfig,
  VmDisk,
  VmDriver,
  VmExit,
  VmLimits,
  VmNetwork,
  VmShare,
  VmState,
} from './vm.ts';
export { connectVsock, listenVsock, type VsockListener } from './vsock.ts';
export { writeFileAtomic } from './write-file-atomic.ts';
