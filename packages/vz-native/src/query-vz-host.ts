import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Cancellable, ZlayerError } from '@zlayer/runtime-core';

const QUERY_TIMEOUT_MS = 10_000;

/** Whether Linux guests can have Rosetta. */
export type VzRosetta = (typeof ROSETTA)[number];

const ROSETTA = ['not-supported', 'not-installed', 'installed'] as const;

/** What this system and a `vz-host` can do. */
export interface VzSupport {
  /** Whether hardware and system can run virtual machines. */
  supported: boolean;
  /** Whether the program is signed with the entitlement that macOS asks for. */
  entitled: boolean;
  /** With which arm64 guests run programs for x86-64. It is for Macs with Apple silicon. */
  rosetta: VzRosetta;
  maxCpus: number;
  minMemoryBytes: number;
  maxMemoryBytes: number;
}

export interface QueryOptions extends Cancellable {
  /** Default: this program's. */
  env?: NodeJS.ProcessEnv | undefined;
}

/**
 * Asks a `vz-host`: the entitlement is its own, so that nobody else can tell.
 *
 * @throws ZlayerError `UNAVAILABLE` if it does not run.
 */
export async function queryVzHost(program: string, options: QueryOptions = {}): Promise<VzSupport> {
  const { signal, env = process.env } = options;
  let stdout: string;
  try {
    ({ stdout } = await promisify(execFile)(program, ['--query'], { timeout: QUERY_TIMEOUT_MS, env, signal }));
  } catch (cause) {
    signal?.throwIfAborted();
    throw new ZlayerError('UNAVAILABLE', `${program} does not run: ${(cause as Error).message}`, {
      subject: program,
      remedy: 'Virtualization.framework needs macOS 13 or later. On such a system, install @zlayer/vz-native again.',
      cause,
    });
  }
  return parse(stdout, program);
}

function parse(text: string, program: string): VzSupport {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (isSupport(value)) return value;
  throw new ZlayerError('UNAVAILABLE', `${program} is not a vz-host: it said ${JSON.stringify(text.slice(0, 200))}`, {
    subject: program,
    remedy: 'Install @zlayer/vz-native again.',
  });
}

function isSupport(value: unknown): value is VzSupport {
  if (typeof value !== 'object' || value === null) return false;
  const { supported, entitled, rosetta, maxCpus, minMemoryBytes, maxMemoryBytes } = value as Record<string, unknown>;
  return (
    typeof supported === 'boolean' &&
    typeof entitled === 'boolean' &&
    ROSETTA.some((known) => known === rosetta) &&
    [maxCpus, minMemoryBytes, maxMemoryBytes].every((number) => Number.isSafeInteger(number) && Number(number) > 0)
  );
}
