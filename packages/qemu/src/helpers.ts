import { hostProgramPath } from '@zlayer/host';

/** The guest's address on its vsock. Every machine has a device of its own, so they may all have the same. */
const GUEST_CID = 3;

/**
 * What a guest may send on a connection before the host has taken it. With the default of 64 KiB it waits for the host
 * after each piece of output.
 */
const VSOCK_WINDOW_BYTES = 256 * 1024;

/** Joins the guest's vsock to Unix sockets: `connections` for the host's calls, `connections_PORT` for the guest's. */
export function vsockArguments(program: string, socket: string, connections: string): string[] {
  const places = ['--socket', socket, '--uds-path', connections];
  return [program, '--guest-cid', String(GUEST_CID), ...places, '--tx-buffer-size', String(VSOCK_WINDOW_BYTES)];
}

/**
 * Takes callers to vhost-device-vsock (0.3.0), which panics when it cannot write its answer to one who has hung up or
 * died: nobody would reach the guest any more.
 */
export function doorArguments(socket: string, connections: string): string[] {
  return [hostProgramPath(), '--door', socket, connections];
}

/** Keeps the end of what comes to a socket, the guest's console, in a file. */
export function consoleArguments(socket: string, file: string, bytes: number): string[] {
  return [hostProgramPath(), '--console', socket, file, String(bytes)];
}
