import type { RuntimeCapabilities, RuntimeEvent } from '@zlayer/runtime-core';

/*
 * How a `Runtime` is used over the supervisor's socket. Arguments and results are written by `toWire`. Whoever asks for
 * something that lasts gives it a key, a UUID of its own, and refers to it by that key from then on:
 *
 *   describe { runtime }                              → Description
 *   call     { runtime, key, method, args }           → result; events: progress
 *   items    { runtime, key, method, args }           → events: items of the stream
 *   upload   { runtime, key, method, args }           → result; the sender's bytes come by `write` and `end`
 *   exec     { runtime, key, args }                   → events: ExecEvent; input comes by `write` and `end`
 *   connect  { runtime, key, args }                   → events: ConnectEvent; input comes by `write` and `end`
 *
 *   grant { key, channel, bytes }   write { key, data }   end { key }   cancel { key }
 *   signal { key, signal }   resize { key, size }   detach { key }
 *
 * An answer's events are held back when the reader has not granted enough for them.
 */

/** Most bytes of data in one message. */
export const MAX_PIECE_BYTES = 512 * 1024;

/** What may be under way to a reader, in bytes, before it must grant more. */
export const WINDOW_BYTES = 1024 * 1024;

/** What an item counts beside its bytes. */
export const ITEM_BYTES = 128;

/** What a runtime says of itself at once. */
export interface Description {
  name: string;
  capabilities: RuntimeCapabilities;
  overlay: string | undefined;
}

/** Output of a process that was started by `exec`. */
export type ExecEvent =
  | { type: 'started'; hasStarted: boolean }
  | { type: 'stdout' | 'stderr'; data: Uint8Array }
  | { type: 'ended'; stream: 'stdout' | 'stderr' };

/** What comes of a connection. */
export type ConnectEvent = { type: 'connected' } | { type: 'data'; data: Uint8Array } | { type: 'ended' };

/** Where the options are in a call that may be cancelled; `undefined`: it may not. */
export const CALLS = {
  availability: undefined,
  pullImage: 1,
  listImages: undefined,
  inspectImage: undefined,
  removeImage: undefined,
  tagImage: undefined,
  pruneImages: 0,
  pushImage: 1,
  createContainer: 2,
  getOrCreateContainer: 2,
  startContainer: 1,
  stopContainer: undefined,
  killContainer: undefined,
  removeContainer: undefined,
  pauseContainer: undefined,
  unpauseContainer: undefined,
  renameContainer: undefined,
  listContainers: undefined,
  pruneContainers: 0,
  containerState: undefined,
  inspectContainer: undefined,
  waitContainer: 1,
  writeStdin: 2,
  closeStdin: undefined,
  resizeTerminal: undefined,
  getContainerStats: undefined,
  topContainer: undefined,
  getContainerPid: undefined,
  getContainerIp: undefined,
  getContainerPortOverride: undefined,
  portMappings: undefined,
  pushOverlayConfig: undefined,
  archiveHead: undefined,
  recover: undefined,
} as const;
/** A call with one result. */
export type CallName = keyof typeof CALLS;

/** Where the options are in a call that gives items. */
export const ITEM_CALLS = {
  logsStream: 1,
  attachContainer: 1,
  statsStream: 1,
  events: 0,
  saveImages: 1,
  archiveGet: 2,
} as const;
export type ItemCallName = keyof typeof ITEM_CALLS;

/** Where a call takes bytes, and where its options are. */
export const UPLOADS = { loadImages: { bytes: 0, options: 1 }, archivePut: { bytes: 2, options: 3 } } as const;
export type UploadName = keyof typeof UPLOADS;

/** Whether a container needs its owner after an event, if it did so before or not. */
export function isAtWork(event: RuntimeEvent, was: boolean): boolean {
  if (event.type === 'restarting') return true;
  if (event.type === 'removed') return false;
  if (event.type !== 'state') return was;
  return !['pending', 'exited', 'failed'].includes(event.state.status);
}
