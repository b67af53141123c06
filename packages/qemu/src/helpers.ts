import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type HostProgram, hostProgramPath, type VmShare } from '@zlayer/host';
import { ZlayerError } from '@zlayer/runtime-core';

/** The two programs called virtiofsd: the one in C that was part of QEMU until 7.2, and its successor in Rust. */
export type VirtiofsdKind = 'c' | 'rust';

/** Tells the two apart by what they say of their version; their options differ. */
export async function virtiofsdKind(program: string): Promise<VirtiofsdKind> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, ['--version'], { timeout: 10_000 });
    return /FUSE kernel interface/i.test(stdout + stderr) ? 'c' : 'rust';
  } catch (cause) {
    throw new ZlayerError('UNAVAILABLE', `${program} does not run: ${(cause as Error).message}`, {
      subject: program,
      remedy: 'Install virtiofsd again, or give the path of a working one.',
      cause,
    });
  }
}

/**
 * Serves one directory to the guest. A share that the guest may only read is protected here: the guest's own promise to
 * mount it read-only binds nobody who has taken the guest's kernel over, and containers share their image.
 */
export function virtiofsdProgram(
  kind: VirtiofsdKind,
  program: string,
  socket: string,
  { path, readOnly }: VmShare,
): Pick<HostProgram, 'argv' | 'readOnlyPaths'> {
  if (kind === 'rust') {
    const argv = [program, `--socket-path=${socket}`, `--shared-dir=${path}`, '--cache=auto'];
    return { argv: readOnly ? [...argv, '--readonly'] : argv };
  }
  // The options of the one in C are separated by commas; a backslash keeps one that belongs to the path. It knows no
  // read-only shares, but has to be run by root, who can put it where it cannot write.
  const source = path.replaceAll(/[\\,]/g, String.raw`\$&`);
  return {
    argv: [program, `--socket-path=${socket}`, '-o', `source=${source}`, '-o', 'cache=auto'],
    readOnlyPaths: readOnly ? [path] : [],
  };
}

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
