import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { abortable, ZlayerError } from '@zlayer/runtime-core';
import { ControlConnection } from './control-connection.ts';
import { type HostExit, type HostStatus, isHostStatus, readHostStatus } from './host-status.ts';
import { keepAlive } from './keep-alive.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

const RECONNECT_MIN_MS = 5;
const RECONNECT_MAX_MS = 1000;

export interface HostProcessParts {
  host: ProcessIdentity;
  /** `undefined` if main was never started. */
  main: ProcessIdentity | undefined;
  statusFile: string;
  controlSocket: string;
  /** `undefined` if there is none yet, or never again because the host has ended. */
  connection: ControlConnection | undefined;
  /** Its end is the owner's exit, for the process that launched the host. */
  lifeline?: Duplex | undefined;
}

/**
 * A host program and what it runs. Having one does not keep the Node program alive; waiting for an answer, for `stop`
 * or `waitForExit` does.
 */
export class HostProcess {
  readonly pid: number;
  readonly startTime: string;
  readonly main: ProcessIdentity | undefined;
  /**
   * Settles when everything has ended and has been cleaned up. A host that vanished without a word gives the reason
   * `lost`. Rejects (`UNAVAILABLE`) only if `close` is called before.
   */
  readonly exited: Promise<HostExit>;
  readonly #parts: HostProcessParts;
  readonly #settle: PromiseWithResolvers<HostExit>;
  /** The connection, as soon as there is one; `undefined` once there will never be one again. */
  #connection: PromiseWithResolvers<ControlConnection | undefined> = Promise.withResolvers();
  #closed = false;
  #subscription: { request: { op: string }; onMessage: (message: Record<string, unknown>) => void } | undefined;

  constructor(parts: HostProcessParts) {
    this.pid = parts.host.pid;
    this.startTime = parts.host.startTime;
    this.main = parts.main;
    this.#parts = parts;
    this.#settle = Promise.withResolvers();
    this.exited = this.#settle.promise;
    this.exited.catch(() => undefined);
    this.#watch(parts.connection).then(this.#settle.resolve, this.#settle.reject);
  }

  /** What the host says about itself now. */
  async status(): Promise<HostStatus> {
    const { status } = await this.#request({ op: 'status' });
    if (isHostStatus(status)) return status;
    throw new ZlayerError('INTERNAL', 'the host answered with something that is not a status', {
      subject: this.#parts.controlSocket,
    });
  }

  /**
   * Asks for what only some host programs do, and returns their answer.
   *
   * @throws ZlayerError `CONFLICT` if the host refuses, `UNAVAILABLE` if it is gone.
   */
  async request(request: { op: string; [key: string]: unknown }): Promise<Record<string, unknown>> {
    return await this.#request(request);
  }

  /**
   * Asks for what only some host programs tell of by themselves, once more on each connection that takes a lost one's
   * place. Takes the answers and what is told, in order; a host that refuses tells nothing.
   */
  subscribe(request: { op: string }, onMessage: (message: Record<string, unknown>) => void): void {
    this.#subscription = { request, onMessage };
    void this.#connection.promise.then((connection) => connection && this.#renew(connection));
  }

  /** Sends a signal, by number, to main alone. */
  async signal(signum: number): Promise<void> {
    await this.#request({ op: 'signal', signum });
  }

  /**
   * Makes this process the owner, as which the launcher alone begins.
   *
   * @throws ZlayerError `CONFLICT` if another process has done so already.
   */
  async own(options: { onOwnerExit?: 'stop' | 'keep' | undefined } = {}): Promise<void> {
    await this.#request({ op: 'own', ...options });
  }

  /**
   * Sends main SIGTERM, and SIGKILL after the grace; resolves as `exited` does. Stopping what has ended is no error.
   *
   * @param options.graceMs Default: the configuration's `stopGraceMs`.
   */
  async stop(options: { graceMs?: number | undefined; signal?: AbortSignal | undefined } = {}): Promise<HostExit> {
    const { graceMs, signal } = options;
    const request = this.#request(graceMs === undefined ? { op: 'stop' } : { op: 'stop', graceMs });
    // A host that is gone answers nothing; `exited` then tells what became of it.
    const stopped = request.then(
      () => this.exited,
      (error: unknown) => {
        if (error instanceof ZlayerError && error.code === 'UNAVAILABLE') return this.exited;
        throw error;
      },
    );
    return keepAlive(abortable(stopped, signal));
  }

  /** As `exited`, and keeps the Node program alive until then. */
  async waitForExit(options: { signal?: AbortSignal | undefined } = {}): Promise<HostExit> {
    return keepAlive(abortable(this.exited, options.signal));
  }

  /** Lets go. For the owner this is its exit: what `onOwnerExit` says happens. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#settle.reject(
      new ZlayerError('UNAVAILABLE', 'the handle was closed', { subject: this.#parts.controlSocket }),
    );
    this.#connection.promise.then((connection) => connection?.close());
    this.#parts.lifeline?.destroy();
  }

  async #request(request: { op: string; [key: string]: unknown }): Promise<Record<string, unknown>> {
    const connection = await keepAlive(this.#connection.promise);
    if (connection === undefined) {
      throw new ZlayerError('UNAVAILABLE', 'the host program has ended', { subject: this.#parts.controlSocket });
    }
    return keepAlive(connection.request(request));
  }

  /** Stays with the host until it is known how it ended. */
  async #watch(first: ControlConnection | undefined): Promise<HostExit> {
    try {
      let exit = first === undefined ? undefined : await this.#follow(first);
      for (let pause = RECONNECT_MIN_MS; exit === undefined; pause = Math.min(pause * 2, RECONNECT_MAX_MS)) {
        // A dead host has written its last status and cleaned up; one that lives may be about to.
        if (this.#closed || !isAlive(this.#parts.host)) {
          return (await recordedExit(this.#parts.statusFile, this.#parts.host)) ?? lostExit(this.#parts.host);
        }
        const connection = await ControlConnection.open(this.#parts.controlSocket).catch(() => undefined);
        if (connection === undefined) await delay(pause, undefined, { ref: false });
        else exit = await this.#follow(connection);
      }
      return exit;
    } finally {
      this.#connection.resolve(undefined);
    }
  }

  #renew(connection: ControlConnection): void {
    const subscription = this.#subscription;
    if (subscription === undefined) return;
    const { request, onMessage } = subscription;
    connection.onEvent = onMessage;
    connection.request(request).then(onMessage, () => undefined);
  }

  /** Uses a connection until its end, which may tell how the host ended. */
  async #follow(connection: ControlConnection): Promise<HostExit | undefined> {
    this.#connection.resolve(connection);
    this.#renew(connection);
    const exit = await connection.closed;
    this.#connection = Promise.withResolvers();
    return exit;
  }
}

/** How a host ended, if its status file says so. */
async function recordedExit(statusFile: string, host: ProcessIdentity): Promise<HostExit | undefined> {
  const status = await readHostStatus(statusFile).catch(() => undefined);
  if (status?.pid !== host.pid || status.startTime !== host.startTime) return undefined;
  return status.exit ?? undefined;
}

/** Nothing is known, and nothing is taken for a success. */
function lostExit(host: ProcessIdentity): HostExit {
  const message = `the host program (pid ${host.pid}) ended without recording how`;
  return { code: null, signal: null, reason: 'lost', message };
}
