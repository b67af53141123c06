import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, truncate } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { isZlayerError, ZlayerError } from '@zlayer/runtime-core';
import { errorCode } from '../file-error.ts';
import { FileLock, withFileLock } from '../lock/file-lock.ts';
import { connectSupervisor, type SupervisorClient } from './supervisor-client.ts';
import { READY_VARIABLE, type SupervisorPlace, supervisorPlace } from './supervisor-protocol.ts';

const READY_DESCRIPTOR = 3;
const DEFAULT_TIMEOUT_MS = 20_000;
const LOG_BYTES = 1024 * 1024;
const REASON_BYTES = 2000;
/** A supervisor may go just when somebody comes. */
const ATTEMPTS = 5;

export interface StartSupervisorOptions {
  dataDirectory: string;
  /** The module that calls `serveSupervisor`: an absolute path. */
  module: string;
  /** What it finds behind its own path in `process.argv`. Default: the data directory. */
  args?: readonly string[] | undefined;
  /** Options of Node itself. Default: none. */
  nodeArgs?: readonly string[] | undefined;
  /** Default: this program's. */
  env?: NodeJS.ProcessEnv | undefined;
  /** How long it may take to be ready, in milliseconds. Default: 20 000. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Connects to the supervisor of a data directory, and starts one if there is none, or none any more: a Node process that
 * outlives this one. However many processes call this at once, one supervisor is started.
 *
 * @throws ZlayerError `START_FAILED` with the last that the process said, and the errors of `connectSupervisor`.
 */
export async function startSupervisor(options: StartSupervisorOptions): Promise<SupervisorClient> {
  const { dataDirectory, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const patience = AbortSignal.timeout(timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, patience]) : patience;
  try {
    for (let attempt = 1; ; attempt += 1) {
      const client = (await connectSupervisor(dataDirectory, { signal })) ?? (await startOne(options, signal));
      if (client !== undefined) return client;
      if (attempt === ATTEMPTS) throw startError(dataDirectory, 'it ends as soon as it has started');
    }
  } catch (error) {
    if (!patience.aborted || options.signal?.aborted || isZlayerError(error)) throw error;
    throw startError(dataDirectory, `it was not ready after ${timeoutMs} ms`, error);
  }
}

async function startOne(options: StartSupervisorOptions, signal: AbortSignal): Promise<SupervisorClient | undefined> {
  const place = await supervisorPlace(options.dataDirectory);
  const start = async (): Promise<SupervisorClient | undefined> => {
    const other = await connectSupervisor(options.dataDirectory, { signal });
    if (other !== undefined) return other;
    // One that is just leaving serves nobody any more, and is still there.
    await FileLock.released(place.lock, { signal });
    await spawnReady(options, place, signal);
    return await connectSupervisor(options.dataDirectory, { signal });
  };
  try {
    return await withFileLock(place.startLock, start, { signal });
  } catch (error) {
    // The last one has left meanwhile, and taken its directory with it.
    if (isZlayerError(error) && error.code === 'NOT_FOUND' && error.subject === place.startLock) return undefined;
    throw error;
  }
}

async function spawnReady(options: StartSupervisorOptions, place: SupervisorPlace, signal: AbortSignal): Promise<void> {
  const { dataDirectory, module, args = [dataDirectory], nodeArgs = [], env = process.env } = options;
  await using log = await openLog(place.log);
  const { size } = await log.stat();
  const child = spawn(process.execPath, [...nodeArgs, module, ...args], {
    detached: true,
    cwd: '/',
    env: { ...env, [READY_VARIABLE]: String(READY_DESCRIPTOR) },
    stdio: ['ignore', log.fd, log.fd, 'pipe'],
  });
  try {
    if (await isReady(child, signal)) return;
  } catch (cause) {
    child.kill('SIGKILL');
    if (signal.aborted) throw cause;
    throw startError(dataDirectory, (cause as Error).message, cause);
  }
  const said = (await readFile(place.log)).subarray(size).subarray(-REASON_BYTES).toString('utf8').trim();
  throw startError(dataDirectory, said === '' ? 'it ended without a word' : said);
}

/** Whether it has said that it is ready, rather than ended. */
async function isReady(child: ChildProcess, signal: AbortSignal): Promise<boolean> {
  const pipe = child.stdio[READY_DESCRIPTOR];
  await once(child, 'spawn', { signal });
  if (!(pipe instanceof Readable)) throw new Error('it has no descriptor 3');
  try {
    const [byte] = await Promise.race([once(pipe, 'data', { signal }), once(pipe, 'close', { signal })]);
    return byte instanceof Uint8Array;
  } finally {
    pipe.destroy();
    child.unref();
  }
}

async function openLog(path: string) {
  const log = await open(path, 'a', 0o600);
  const { size } = await log.stat();
  if (size > LOG_BYTES) await truncate(path).catch(() => undefined);
  return log;
}

function startError(dataDirectory: string, why: string, cause?: unknown): ZlayerError {
  const code = errorCode(cause);
  const text = code === undefined ? why : `${why} (${code})`;
  return new ZlayerError('START_FAILED', `the supervisor of ${dataDirectory} did not start: ${text}`, {
    subject: dataDirectory,
    cause,
  });
}
