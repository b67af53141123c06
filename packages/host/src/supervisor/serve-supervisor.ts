import { closeSync, writeSync } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { isZlayerError, ZlayerError } from '@zlayer/runtime-core';
import { isRecord } from '../host-status.ts';
import { FileLock } from '../lock/file-lock.ts';
import { JsonLines } from './json-lines.ts';
import { removePlace } from './remove-place.ts';
import { PROTOCOL_VERSION, READY_VARIABLE, type SupervisorPlace, supervisorPlace } from './supervisor-protocol.ts';

const DEFAULT_IDLE_MS = 10_000;
const MAX_CLIENTS = 128;
/** Requests of one client that are under way. */
const MAX_REQUESTS = 256;
/** What is sent waits for a client that reads slowly; one that lets more wait is given up. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Length of the requests of all clients that are under way; whoever goes beyond is given up. */
const MAX_REQUEST_LENGTH = 256 * 1024 * 1024;

/** What a request's handler is given. */
export interface SupervisorRequest {
  method: string;
  params: unknown;
  /** Aborted when the client is gone or wants no more. */
  signal: AbortSignal;
  /** Sends the client an event before the result. */
  emit(event: unknown): void;
  /** Resolves when the client has room for more. A client that is sent much without waiting for this is given up. */
  drained(): Promise<void>;
}

export interface SupervisorOptions {
  dataDirectory: string;
  /** Of the program, for the handshake. */
  version: string;
  /** Answers a request with its result, which JSON can hold; what it throws is the answer, too. */
  handle(request: SupervisorRequest): Promise<unknown>;
  /** Whether there is something to stay for besides clients. Default: no. */
  isBusy?(): boolean;
  /** How long it stays with no client and nothing to do, in milliseconds. Default: 10 000. */
  idleMs?: number | undefined;
}

/** A supervisor that serves. */
export interface Supervisor {
  /** Settles when it has been idle for long enough, or was closed: what it did is to be put in order then. */
  readonly finished: Promise<void>;
  /** To be called when `isBusy` has become false. */
  checkIdle(): void;
  close(): Promise<void>;
}

/**
 * Makes this process the supervisor of a data directory, and tells whoever started it. To be called by the module that
 * `startSupervisor` is given.
 *
 * @throws ZlayerError `CONFLICT` if there is one already.
 */
export async function serveSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const place = await supervisorPlace(options.dataDirectory);
  const lock = await FileLock.tryAcquire(place.lock);
  if (lock === undefined) {
    throw new ZlayerError('CONFLICT', `${options.dataDirectory} has a supervisor already`, {
      subject: options.dataDirectory,
    });
  }
  try {
    // With the lock, whatever is there is a dead one's.
    await rm(place.socket, { force: true });
    const serving = new Serving(options, lock, place);
    await serving.listen();
    tellStarter();
    return serving;
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Whoever started this process waits at a descriptor for one byte. */
function tellStarter(): void {
  const descriptor = Number(process.env[READY_VARIABLE] ?? Number.NaN);
  delete process.env[READY_VARIABLE];
  if (!Number.isInteger(descriptor)) return;
  try {
    writeSync(descriptor, '+');
    closeSync(descriptor);
  } catch {
    // It has not waited; others will come.
  }
}

class Serving implements Supervisor {
  readonly finished: Promise<void>;
  readonly #options: SupervisorOptions;
  readonly #lock: FileLock;
  readonly #place: SupervisorPlace;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  readonly #finish = Promise.withResolvers<void>();
  #idle: NodeJS.Timeout | undefined;
  #requestLength = 0;
  #closing: Promise<void> | undefined;

  constructor(options: SupervisorOptions, lock: FileLock, place: SupervisorPlace) {
    this.#options = options;
    this.#lock = lock;
    this.#place = place;
    this.#server = createServer((client) => this.#take(client));
    this.finished = this.#finish.promise;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#place.socket, () => resolve());
    });
    this.#server.on('error', () => undefined);
    await chmod(this.#place.socket, 0o600);
    this.checkIdle();
  }

  checkIdle(): void {
    clearTimeout(this.#idle);
    if (this.#clients.size > 0 || this.#options.isBusy?.() === true || this.#closing !== undefined) return;
    this.#idle = setTimeout(() => {
      if (this.#clients.size === 0 && this.#options.isBusy?.() !== true) void this.close();
    }, this.#options.idleMs ?? DEFAULT_IDLE_MS);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#idle);
    // First the socket, then the lock: who finds no socket and gets the lock may start the next one.
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const client of this.#clients) client.destroy();
    await closed;
    // What cannot be removed is in nobody's way.
    await removePlace(this.#place).catch(() => undefined);
    this.#lock.release();
    this.#finish.resolve();
  }

  #take(client: Socket): void {
    if (this.#clients.size >= MAX_CLIENTS || this.#closing !== undefined) {
      client.on('error', () => undefined).destroy();
      return;
    }
    this.#clients.add(client);
    const requests = new Map<number, AbortController>();
    const take = (message: unknown, length: number): void => {
      if (!this.#takeMessage(message, length, requests, lines)) client.destroy();
    };
    const lines = new JsonLines(client, take, { maxWaitingBytes: MAX_WAITING_BYTES });
    client.once('close', () => {
      this.#clients.delete(client);
      for (const request of requests.values()) request.abort(new Error('the client is gone'));
      this.checkIdle();
    });
    lines.send({ hello: { protocol: PROTOCOL_VERSION, version: this.#options.version, pid: process.pid } });
    this.checkIdle();
  }

  /** Returns whether it was a message that a client may send. */
  #takeMessage(message: unknown, length: number, requests: Map<number, AbortController>, lines: JsonLines): boolean {
    if (!isRecord(message)) return false;
    const { id, method, params, end } = message;
    if (typeof end === 'number') {
      requests.get(end)?.abort(new Error('the client wants no more'));
      return true;
    }
    if (!Number.isSafeInteger(id) || typeof method !== 'string') return false;
    const number = id as number;
    if (requests.has(number) || requests.size >= MAX_REQUESTS) return false;
    if (this.#requestLength + length > MAX_REQUEST_LENGTH) return false;
    this.#requestLength += length;
    const abort = new AbortController();
    requests.set(number, abort);
    const emit = (event: unknown): void => {
      if (!abort.signal.aborted) lines.send({ id: number, event });
    };
    const request = { method, params, signal: abort.signal, emit, drained: () => lines.drained() };
    void this.#answer(request, number, lines).finally(() => {
      requests.delete(number);
      this.#requestLength -= length;
    });
    return true;
  }

  async #answer(request: SupervisorRequest, id: number, lines: JsonLines): Promise<void> {
    try {
      const result = await this.#options.handle(request);
      lines.send({ id, result: result ?? null });
    } catch (error) {
      const told = isZlayerError(error)
        ? error
        : new ZlayerError('INTERNAL', error instanceof Error ? error.message : String(error), { cause: error });
      lines.send({ id, error: told.toJSON() });
    }
  }
}
