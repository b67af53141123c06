import { lstat, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, relative, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ZlayerError } from '@zlayer/runtime-core';
import { errorCode } from '../file-error.ts';
import { findOwner } from '../owner/ownership.ts';
import { isAlive, type ProcessIdentity } from '../process-identity.ts';
import { type RunDirectoryOptions, removeRunDirectory, runDirectoryBase, runDirectoryName } from '../run-directory.ts';
import { diskUsage } from './disk-usage.ts';
import { findHosts } from './host-processes.ts';

/** What is younger may be about to become something. */
const MIN_AGE_MS = 60_000;
const END_PATIENCE_MS = 10_000;

/** Something that no container owns. */
export type Orphan =
  /** A host program, with the VMM or process that it runs. */
  | { kind: 'host'; process: ProcessIdentity; stateDirectory: string }
  /** A directory among the containers' that describes none. `bytes`: the room that it takes on its disk. */
  | { kind: 'state-directory'; path: string; bytes: number }
  /** Sockets that nobody serves. */
  | { kind: 'run-directory'; path: string; bytes: number };

export interface FindOrphansOptions {
  dataDirectory: string;
  /** Whether a directory among the containers' has the record of a container. What it throws ends the search. */
  hasRecord(directory: string): Promise<boolean>;
  /** Names of host programs. Default: `zlayer-host`. */
  programs?: readonly string[] | undefined;
  run?: RunDirectoryOptions | undefined;
  /** What is younger is left out, because it may be about to become something. In milliseconds. Default: 60 000. */
  minAgeMs?: number | undefined;
}

/**
 * Finds what crashes have left: host programs of a data directory whose container has no record any more, directories among
 * the containers' without a record or an owner, and run directories, of any data directory, that nobody uses.
 */
export async function findOrphans(options: FindOrphansOptions): Promise<Orphan[]> {
  const { dataDirectory, hasRecord, programs } = options;
  const directories = await containerDirectories(dataDirectory);
  const orphans: Orphan[] = [];
  const hosts = await findHosts(programs);
  for (const { stateDirectory, ...process } of hosts) {
    if (!isWithin(dataDirectory, stateDirectory) || (await isSpokenFor(stateDirectory, options))) continue;
    orphans.push({ kind: 'host', process, stateDirectory });
  }
  for (const path of directories) {
    if (await isSpokenFor(path, options)) continue;
    orphans.push({ kind: 'state-directory', path, bytes: await diskUsage(path) });
  }
  const kept = new Set<string>();
  for (const path of directories) if (await hasRecord(path)) kept.add(runDirectoryName(path));
  for (const { stateDirectory } of hosts) kept.add(runDirectoryName(stateDirectory));
  return [...orphans, ...(await staleRunDirectories(options, kept))];
}

/**
 * Ends or removes an orphan. A host program ends with all that it runs.
 *
 * @throws ZlayerError `CONFLICT` if a state directory has got an owner meanwhile, `TIMEOUT` if a host does not end.
 */
export async function removeOrphan(orphan: Orphan): Promise<void> {
  if (orphan.kind === 'run-directory') return await removeRunDirectory(orphan.path);
  if (orphan.kind === 'host') return await endHost(orphan.process);
  const owner = await findOwner(orphan.path);
  if (owner === undefined) return await rm(orphan.path, { recursive: true, force: true });
  throw new ZlayerError('CONFLICT', `process ${owner.pid} owns ${orphan.path}`, { subject: orphan.path });
}

async function endHost(host: ProcessIdentity): Promise<void> {
  for (const end = performance.now() + END_PATIENCE_MS; isAlive(host); await delay(20)) {
    if (performance.now() > end) {
      throw new ZlayerError('TIMEOUT', `the host program ${host.pid} did not end`, { subject: String(host.pid) });
    }
    try {
      process.kill(host.pid, 'SIGTERM');
    } catch (error) {
      if (errorCode(error) !== 'ESRCH') throw error;
    }
  }
}

async function isSpokenFor(directory: string, options: FindOrphansOptions): Promise<boolean> {
  const info = await lstat(directory).catch(() => undefined);
  if (info === undefined) return false;
  if (await options.hasRecord(directory)) return true;
  if ((await findOwner(directory)) !== undefined) return true;
  return Date.now() - info.mtimeMs < (options.minAgeMs ?? MIN_AGE_MS);
}

/** `{dataDirectory}/{runtime}/containers/*`. */
async function containerDirectories(dataDirectory: string): Promise<string[]> {
  const found: string[] = [];
  for (const runtime of await namesIn(dataDirectory)) {
    const folder = join(dataDirectory, runtime, 'containers');
    for (const name of await namesIn(folder)) {
      const path = join(folder, name);
      if ((await lstat(path).catch(() => undefined))?.isDirectory()) found.push(path);
    }
  }
  return found;
}

async function staleRunDirectories(options: FindOrphansOptions, kept: ReadonlySet<string>): Promise<Orphan[]> {
  const base = await runDirectoryBase(options.run);
  const stale: Orphan[] = [];
  for (const name of await namesIn(base)) {
    const path = join(base, name);
    if (!/^[0-9a-f]{16}$/.test(name) || kept.has(name)) continue;
    const info = await lstat(path).catch(() => undefined);
    if (!info?.isDirectory() || Date.now() - info.mtimeMs < (options.minAgeMs ?? MIN_AGE_MS)) continue;
    if (await isUsed(path)) continue;
    stale.push({ kind: 'run-directory', path, bytes: await diskUsage(path) });
  }
  return stale;
}

/** Whether somebody listens on one of its sockets. The place of a supervisor stays when it has gone. */
async function isUsed(directory: string): Promise<boolean> {
  const names = await namesIn(directory);
  if (names.includes('supervisor.lock')) return true;
  const answers = await Promise.all(names.map((name) => isServed(join(directory, name))));
  return answers.some((answer) => answer);
}

async function isServed(path: string): Promise<boolean> {
  if (!(await lstat(path).catch(() => undefined))?.isSocket()) return false;
  const socket = connect({ path });
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', (error) => resolve(!['ECONNREFUSED', 'ENOENT'].includes(errorCode(error) ?? '')));
    });
  } finally {
    socket.destroy();
  }
}

async function namesIn(path: string): Promise<string[]> {
  return await readdir(path).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return [];
    throw error;
  });
}

function isWithin(parent: string, path: string): boolean {
  const way = relative(parent, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`);
}
