import { isAbsolute, normalize } from 'node:path/posix';
import { ZlayerError } from '@zlayer/runtime-core';
import type { SandboxPolicy } from './sandbox-policy.ts';
import { shown } from './shown.ts';

const MAX_PATH_BYTES = 4096;
const MAX_FOLDERS = 256;
const MAX_PORTS = 1024;

/** @throws ZlayerError `INVALID_SPEC` that names the field. */
export function checkPolicy(policy: SandboxPolicy): void {
  if (policy.tag !== undefined) checkTag(policy.tag);
  checkPath('rootfs', policy.rootfs);
  checkPath('workspace', policy.workspace);
  checkFolders(policy);
  checkCount('unixSockets', policy.unixSockets ?? [], MAX_FOLDERS);
  for (const [index, { path }] of (policy.unixSockets ?? []).entries()) checkPath(`unixSockets[${index}].path`, path);
  const { network } = policy;
  if (network?.mode !== 'localhost') return;
  checkPorts('network.bindPorts', network.bindPorts);
  checkPorts('network.connectPorts', network.connectPorts);
  checkPorts('network.outboundPorts', network.outboundPorts ?? []);
}

/** @throws ZlayerError `INVALID_SPEC`. */
export function checkTag(tag: string): void {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(tag)) throw invalid('tag', 'has not 1 to 64 letters, digits, `-`, `_`', tag);
}

function checkFolders({ rootfs, readOnlyRoot = false, workspace, folders = [] }: SandboxPolicy): void {
  checkCount('folders', folders, MAX_FOLDERS);
  const seen = new Map<string, 'read' | 'write'>([
    [rootfs, readOnlyRoot ? 'read' : 'write'],
    [workspace, 'write'],
  ]);
  if (readOnlyRoot && rootfs === workspace) throw invalid('workspace', 'is the read-only root file system', workspace);
  for (const [index, { path, access, storage }] of folders.entries()) {
    const field = `folders[${index}]`;
    checkPath(`${field}.path`, path);
    if (storage !== undefined && !(Number.isSafeInteger(storage) && storage >= 0)) {
      throw invalid(`${field}.storage`, 'is not an index', storage);
    }
    if ((seen.get(path) ?? access) !== access) {
      throw invalid(`${field}.path`, 'is both read-only and writable; a process sees one path with one access', path);
    }
    seen.set(path, access);
  }
}

function checkPath(field: string, path: string): void {
  if (!path.isWellFormed() || path.includes('\0')) throw invalid(field, 'holds what no path can hold', path);
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw invalid(field, `is longer than ${MAX_PATH_BYTES} bytes`, path);
  if (!isAbsolute(path) || normalize(path) !== path || path.endsWith('/')) {
    // A rule for `/` would allow everything, and one for `/a/` or `/a/../b` matches nothing: Seatbelt compares real paths.
    throw invalid(field, 'is not an absolute path without `.`, `..` and a slash at its end, or it is `/`', path);
  }
}

function checkPorts(field: string, ports: readonly number[]): void {
  checkCount(field, ports, MAX_PORTS);
  for (const port of ports) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw invalid(field, 'has a port outside 1 to 65535', port);
  }
}

function checkCount(field: string, list: readonly unknown[], most: number): void {
  if (list.length > most) throw invalid(field, `has more than ${most} entries`, list.length);
}

function invalid(field: string, why: string, value: unknown): ZlayerError {
  return new ZlayerError('INVALID_SPEC', `${field} ${why}: ${shown(value)}`, { subject: field });
}
