import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ZlayerError } from '@zlayer/runtime-core';
import { formatProfile } from './format-profile.ts';
import type { SandboxPolicy, SandboxSocket } from './sandbox-policy.ts';
import type { SandboxProfile } from './sandbox-profile.ts';
import { shown } from './shown.ts';

/**
 * The profile of a policy. Seatbelt compares real paths, so every path is resolved first (`/tmp/x` is `/private/tmp/x`
 * on a Mac); a socket need not be there yet, its folder does.
 *
 * @throws ZlayerError `INVALID_SPEC` that names the field: a path that is not there, cannot be resolved, or resolves to
 *   `/`; a port outside 1 to 65535; one path that is both read-only and writable.
 */
export async function generateProfile(policy: SandboxPolicy): Promise<SandboxProfile> {
  const [rootfs, workspace, folders, unixSockets] = await Promise.all([
    resolved('rootfs', policy.rootfs),
    resolved('workspace', policy.workspace),
    inOrder(policy.folders ?? [], async (folder, index) => ({
      ...folder,
      path: await resolved(`folders[${index}].path`, folder.path),
    })),
    inOrder(policy.unixSockets ?? [], resolvedSocket),
  ]);
  return formatProfile({ ...policy, rootfs, workspace, folders, unixSockets });
}

async function inOrder<T>(items: readonly T[], resolve: (item: T, index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (const [index, item] of items.entries()) results.push(await resolve(item, index));
  return results;
}

async function resolvedSocket(socket: SandboxSocket, index: number): Promise<SandboxSocket> {
  const folder = await resolved(`unixSockets[${index}].path`, dirname(socket.path));
  return { ...socket, path: join(folder, basename(socket.path)) };
}

async function resolved(field: string, path: string): Promise<string> {
  if (!path.startsWith('/')) {
    throw new ZlayerError('INVALID_SPEC', `${field} is not an absolute path: ${shown(path)}`, { subject: field });
  }
  try {
    return await realpath(path);
  } catch (cause) {
    throw new ZlayerError('INVALID_SPEC', `${field} cannot be resolved: ${shown(path)}`, {
      subject: field,
      remedy: 'Name a path that exists on this machine.',
      cause,
    });
  }
}
