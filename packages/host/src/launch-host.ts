import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { ZlayerError } from '@zlayer/runtime-core';
import { ControlConnection } from './control-connection.ts';
import { type CommonHostConfig, formatHostConfig, type HostConfig, type SpecialHostConfig } from './host-config.ts';
import { HostProcess } from './host-process.ts';
import { hostProgramPath } from './host-program.ts';
import { isIdentity, isRecord, readHostStatus } from './host-status.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';
import { removeRunDirectory } from './run-directory.ts';
import { writeFileAtomic } from './write-file-atomic.ts';

const DEFAULT_START_TIMEOUT_MS = 30_000;
/** What a host needs beyond its own timeout to undo a start: grace for helpers, then killing them. */
const UNDO_MS = 10_000;
const MAX_READY_BYTES = 64 * 1024;

export interface LaunchHostOptions {
  signal?: AbortSignal | undefined;
  /** A program that keeps the same contract. Default: `zlayer-host`. */
  program?: string | undefined;
  /** The environment of the host and what it runs. Default: this program's. */
  env?: NodeJS.ProcessEnv | undefined;
}

interface Ready {
  host: ProcessIdentity;
  main: ProcessIdentity;
}

/**
 * Starts a host program, detached, with its configuration in the directory of the status file, and waits until main
 * runs. This process is the owner then, until it ends, calls `close`, or another one says `own`.
 *
 * @throws ZlayerError `START_FAILED` with the host's own message. Nothing is left of the attempt but logs, the
 *   configuration and the status file. An abort throws the signal's reason, just as clean.
 */
export async function launchHost(
  config: HostConfig | SpecialHostConfig,
  options: LaunchHostOptions = {},
): Promise<HostProcess> {
  const { signal, program = hostProgramPath(), env = process.env } = options;
  signal?.throwIfAborted();
  const configFile = join(dirname(config.statusFile), 'host-config.json');
  try {
    await writeFileAtomic(configFile, formatHostConfig(config));
    return await start(config, configFile, program, env, signal);
  } catch (error) {
    if (config.runDirectory) await removeUnused(config.runDirectory, config.statusFile);
    throw error;
  }
}

/** The host does so itself; this is for one that never ran, and not for the directory of one that was there before. */
async function removeUnused(runDirectory: string, statusFile: string): Promise<void> {
  try {
    const status = await readHostStatus(statusFile);
    if (status === undefined || !isAlive(status)) await removeRunDirectory(runDirectory);
  } catch {
    // What led here is the error to tell.
  }
}

async function start(
  config: CommonHostConfig,
  configFile: string,
  program: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<HostProcess> {
  const child = spawn(program, [configFile], {
    detached: true,
    cwd: '/',
    env,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const ended = endOf(child);
  const lifeline = child.stdio[3];
  const timer = new AbortController();
  try {
    await spawned(child, program);
    if (!(lifeline instanceof Duplex)) throw startError(program, 'it has no descriptor 3');
    lifeline.on('error', () => undefined);
    const timeout = (config.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS) + UNDO_MS;
    const line = await Promise.race([
      readLine(lifeline, program),
      abortion(signal, timer.signal),
      delay(timeout, undefined, { signal: timer.signal }).then(() => {
        throw startError(program, `it was not ready after ${timeout} ms`);
      }),
    ]);
    const ready = parseReady(line, program);
    const { statusFile, controlSocket } = config;
    // None if main has ended already; the status file tells how then.
    const connection = await ControlConnection.open(controlSocket).catch(() => undefined);
    release(child, lifeline);
    return new HostProcess({ ...ready, statusFile, controlSocket, connection, lifeline });
  } catch (error) {
    await end(child, ended);
    lifeline?.destroy();
    throw error;
  } finally {
    timer.abort();
  }
}

/** From here on neither the child nor its pipe keeps the Node program alive. */
function release(child: ChildProcess, lifeline: Duplex): void {
  child.unref();
  lifeline.resume();
  if ('unref' in lifeline && typeof lifeline.unref === 'function') lifeline.unref();
}

async function spawned(child: ChildProcess, program: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) => reject(startError(program, cause.message, cause)));
  });
}

async function endOf(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
}

/** Lets the host undo what it began, and kills one that does not. */
async function end(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.pid === undefined) return;
  child.kill('SIGTERM');
  const timer = new AbortController();
  const patience = delay(UNDO_MS, undefined, { signal: timer.signal }).then(
    () => child.kill('SIGKILL'),
    () => undefined,
  );
  await Promise.race([ended, patience]);
  timer.abort();
  await ended;
}

function abortion(signal: AbortSignal | undefined, done: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true, signal: done });
    if (signal?.aborted) reject(signal.reason);
  });
}

function readLine(stream: Duplex, program: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    stream.setEncoding('utf8');
    stream.on('data', function take(chunk: string) {
      text += chunk;
      const end = text.indexOf('\n');
      if (end < 0 && text.length <= MAX_READY_BYTES) return;
      stream.off('data', take);
      if (end >= 0) resolve(text.slice(0, end));
      else reject(startError(program, 'its first line is too long'));
    });
    stream.once('close', () => reject(startError(program, 'it ended without a word')));
  });
}

function parseReady(line: string, program: string): Ready {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch {
    message = undefined;
  }
  const main = isRecord(message) ? message['main'] : undefined;
  if (isRecord(message) && message['ready'] === true && isIdentity(main) && isIdentity(message)) {
    return {
      host: { pid: message.pid, startTime: message.startTime },
      main: { pid: main.pid, startTime: main.startTime },
    };
  }
  if (isRecord(message) && message['ready'] === false) throw startError(undefined, String(message['error']));
  throw startError(program, 'its first line is not what a host program says');
}

function startError(program: string | undefined, why: string, cause?: unknown): ZlayerError {
  const message = program === undefined ? why : `${program} did not start: ${why}`;
  return new ZlayerError('START_FAILED', message, { subject: program, cause });
}
