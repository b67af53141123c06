import { ZlayerError } from '@zlayer/runtime-core';
import { readJsonFile } from './json-file.ts';
import type { ProcessIdentity } from './process-identity.ts';
import type { VmExit } from './vm.ts';

/** How a host program and what it ran ended. Both `code` and `signal` are `null` if main never ran or nobody knows. */
export type HostExit = VmExit;

/** A program that a host runs. */
export interface HostChild extends ProcessIdentity {
  name: string;
}

/** What a host program tells about itself, on its control socket and in its status file. */
export interface HostStatus extends ProcessIdentity {
  version: 1;
  state: 'starting' | 'running' | 'exited';
  /** `null` if it was never started. */
  main: HostChild | null;
  helpers: HostChild[];
  /** Whose end is the owner's exit: the launcher's, a control connection's, or nobody's. */
  owner: 'launcher' | 'connection' | null;
  onOwnerExit: 'stop' | 'keep';
  exit: HostExit | null;
  /** The state of its machine, as the hypervisor calls it, from host programs that hold one. */
  machine?: string | undefined;
  /** RFC 3339. */
  startedAt: string;
  endedAt: string | null;
}

const REASONS = ['exited', 'stopped', 'owner-gone', 'helper-died', 'start-failed', 'lost'] as const;

/**
 * Reads a status file. `undefined` if there is none.
 *
 * @throws ZlayerError `INTERNAL` if it is not what a host program writes.
 */
export async function readHostStatus(path: string): Promise<HostStatus | undefined> {
  const value = await readJsonFile(path);
  if (value === undefined) return undefined;
  if (!isHostStatus(value)) {
    throw new ZlayerError('INTERNAL', `${path} is not the status file of a host program`, { subject: path });
  }
  return value;
}

export function isHostExit(value: unknown): value is HostExit {
  return (
    isRecord(value) &&
    isNumberOrNull(value['code']) &&
    isNumberOrNull(value['signal']) &&
    REASONS.some((reason) => reason === value['reason']) &&
    typeof value['message'] === 'string'
  );
}

export function isHostStatus(value: unknown): value is HostStatus {
  if (!isRecord(value) || value['version'] !== 1 || !isIdentity(value)) return false;
  const { state, main, helpers, exit, owner, onOwnerExit, machine } = value as Record<string, unknown>;
  return (
    (state === 'starting' || state === 'running' || state === 'exited') &&
    (main === null || isChild(main)) &&
    Array.isArray(helpers) &&
    helpers.every(isChild) &&
    (machine === undefined || typeof machine === 'string') &&
    (owner === 'launcher' || owner === 'connection' || owner === null) &&
    (onOwnerExit === 'stop' || onOwnerExit === 'keep') &&
    (state === 'exited' ? isHostExit(exit) : exit === null)
  );
}

export function isIdentity(value: unknown): value is ProcessIdentity {
  return isRecord(value) && Number.isSafeInteger(value['pid']) && typeof value['startTime'] === 'string';
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isChild(value: unknown): value is HostChild {
  return isRecord(value) && isIdentity(value) && typeof (value as Record<string, unknown>)['name'] === 'string';
}

function isNumberOrNull(value: unknown): boolean {
  return value === null || Number.isSafeInteger(value);
}
