import { connect, type Socket } from 'node:net';
import { errorFromJSON, ZlayerError } from '@zlayer/runtime-core';
import { errorCode } from '../file-error.ts';
import { isRecord } from '../host-status.ts';
import { JsonLines } from './json-lines.ts';
import { PROTOCOL_VERSION, supervisorPlace } from './supervisor-protocol.ts';

const HELLO_TIMEOUT_MS = 10_000;

export interface ConnectSupervisorOptions {
  signal?: AbortSignal | undefined;
}

export interface SupervisorRequestOptions {
  /** Tells the supervisor that nothing more is wanted, and throws its reason. */
  signal?: AbortSignal | undefined;
  /** Told the events that come before the result. */
  onEvent?: ((event: unknown) => void) | undefined;
}

interface Pending {
  settle: PromiseWithResolvers<unknown>;
  onEvent: ((event: unknown) => void) | undefined;
}

/**
 * Connects to the supervisor of a data directory; `undefined` if there is none.
 *
 * @throws ZlayerError `UNSUPPORTED` if it speaks another version of the protocol, `TIMEOUT` if it does not answer.
 */
export async function connectSupervisor(
  dataDirectory: string,
  options: ConnectSupervisorOptions = {},
): Promise<SupervisorClient | undefined> {
  const { socket } = await supervisorPlace(dataDirectory);
  return await SupervisorClient.open(socket, options);
}

/** A connection to a supervisor. It keeps the Node program alive until it is closed. */
export class SupervisorClient implements AsyncDisposable {
  /** What the supervisor said about itself. */
  readonly pid: number;
  readonly version: string;
  /** Settles when the connection has ended. */
  readonly closed: Promise<void>;
  readonly #path: string;
  readonly #socket: Socket;
  readonly #lines: JsonLines;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;

  private constructor(path: string, socket: Socket, hello: { pid: number; version: string }, lines: JsonLines) {
    this.#path = path;
    this.#socket = socket;
    this.#lines = lines;
    this.pid = hello.pid;
    this.version = hello.version;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        for (const { settle } of this.#pending.values()) settle.reject(this.#goneError());
        this.#pending.clear();
        resolve();
      });
    });
  }

  /** Connects to a socket; `undefined` if nobody serves it, or not any more. */
  static async open(path: string, { signal }: ConnectSupervisorOptions): Promise<SupervisorClient | undefined> {
    signal?.throwIfAborted();
    const socket = connect({ path });
    let client: SupervisorClient | undefined;
    const hello = Promise.withResolvers<unknown>();
    const lines = new JsonLines(socket, (message) => {
      if (client === undefined) hello.resolve(message);
      else client.#take(message);
    });
    socket.once('error', (error) => {
      const isGone = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(errorCode(error) ?? '');
      if (isGone) hello.resolve(undefined);
      else
        hello.reject(
          new ZlayerError('UNAVAILABLE', `cannot reach the supervisor: ${error.message}`, { subject: path }),
        );
    });
    socket.once('close', () => hello.resolve(undefined));
    const abort = (): void => hello.reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    const timer = setTimeout(() => {
      hello.reject(new ZlayerError('TIMEOUT', 'the supervisor does not answer', { subject: path }));
    }, HELLO_TIMEOUT_MS);
    try {
      const message = await hello.promise;
      if (message === undefined) return undefined;
      client = new SupervisorClient(path, socket, checkHello(message, path), lines);
      return client;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      if (client === undefined) socket.destroy();
    }
  }

  /**
   * Sends a request and returns its result.
   *
   * @throws ZlayerError as the supervisor's handler threw it; `UNAVAILABLE` if the supervisor is gone.
   */
  async request(method: string, params: unknown = null, options: SupervisorRequestOptions = {}): Promise<unknown> {
    const { signal, onEvent } = options;
    signal?.throwIfAborted();
    if (this.#socket.destroyed) throw this.#goneError();
    const id = this.#nextId++;
    const settle = Promise.withResolvers<unknown>();
    this.#pending.set(id, { settle, onEvent });
    const abort = (): void => {
      this.#lines.send({ end: id });
      settle.reject(signal?.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      this.#lines.send({ id, method, params });
      return await settle.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#pending.delete(id);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  #take(message: unknown): void {
    if (!isRecord(message)) {
      this.close();
      return;
    }
    // An answer that nobody waits for any more is one to a request that was given up.
    const pending = this.#pending.get(Number(message['id']));
    if (pending === undefined) return;
    if ('event' in message) pending.onEvent?.(message['event']);
    else if ('error' in message) pending.settle.reject(errorOf(message['error']));
    else pending.settle.resolve(message['result']);
  }

  #goneError(): ZlayerError {
    return new ZlayerError('UNAVAILABLE', 'the supervisor is gone', { subject: this.#path });
  }
}

function checkHello(message: unknown, path: string): { pid: number; version: string } {
  const hello = isRecord(message) && isRecord(message['hello']) ? message['hello'] : {};
  const { protocol, version, pid } = hello;
  if (!Number.isSafeInteger(protocol) || typeof version !== 'string' || !Number.isSafeInteger(pid)) {
    throw new ZlayerError('INTERNAL', 'what listens in the place of the supervisor is none', { subject: path });
  }
  if (protocol === PROTOCOL_VERSION) return { pid: pid as number, version };
  throw new ZlayerError(
    'UNSUPPORTED',
    `the supervisor (process ${pid}, version ${version}) speaks protocol ${protocol}, this program ${PROTOCOL_VERSION}`,
    { subject: path, remedy: `Use version ${version}, or end process ${pid} and what it runs.` },
  );
}

function errorOf(data: unknown): Error {
  try {
    return errorFromJSON(data);
  } catch (error) {
    return error as Error;
  }
}
