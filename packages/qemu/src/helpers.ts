import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
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

/** Serves one directory to the guest. */
export function virtiofsdArguments(kind: VirtiofsdKind, program: string, socket: string, directory: string): string[] {
  if (kind === 'rust') return [program, `--socket-path=${socket}`, `--shared-dir=${directory}`, '--cache=auto'];
  // The options of the one in C are separated by commas; a backslash keeps one that belongs to the path.
  const source = directory.replaceAll(/[\\,]/g, String.raw`\$&`);
  return [program, `--socket-path=${socket}`, '-o', `source=${source}`, '-o', 'cache=auto'];
}

/** The guest's address on its vsock. Every machine has a device of its own, so they may all have the same. */
const GUEST_CID = 3;

/** Joins the guest's vsock to Unix sockets: `connections` for the host's calls, `connections_PORT` for the guest's. */
export function vsockArguments(program: string, socket: string, connections: string): string[] {
  return [program, '--guest-cid', String(GUEST_CID), '--socket', socket, '--uds-path', connections];
}
