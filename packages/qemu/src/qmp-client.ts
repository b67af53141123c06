import { createConnection, type Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import { type Cancellable, ZlayerError } from '@zlayer/runtime-core';

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_LINE = 1024 * 1024;

/** Something that happened in QEMU without having been asked for, such as `SHUTDOWN`. */
export interface QmpEvent {
  event: string;
  data: Readonly<Record<string, unknown>>;
}

export interface QmpOptions extends Cancellable {
  /** How long QEMU may take for its greeting and for each answer, in milliseconds; `Infinity`: forever. Default: 10 000. */
  timeoutMs?: number | undefined;
  /** Told events, in their order, from the moment of `open` on. */
  onEvent?: ((event: QmpEvent) => void) | undefined;
}

interface Message {
  QMP?: unknown;
  return?: unknown;
  error?: { class?: string; desc?: string };
  event?: unknown;
  data?: unknown;
}

/**
 * A connection of the QEMU Machine Protocol. QEMU serves one at a time on a socket; a further one waits for its greeting.
 * It keeps the Node program alive only while an answer is awaited that may not take forever.
 */
export class QmpClient implements Disposable {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #onEvent: ((event: QmpEvent) => void) | undefined;
  readonly #decoder = new StringDecoder('utf8');
  /** Those who wait for QEMU's greeting or an answer, in the order of their questions. */
  readonly #waiting: { what: string; settle: PromiseWithResolvers<unknown> }[] = [];
  #input = '';
  #failure: Error | undefined;
  /** Settles when the connection has ended. */
  readonly closed: Promise<void>;

  private constructor(path: string, { timeoutMs = DEFAULT_TIMEOUT_MS, onEvent }: QmpOptions) {
    this.#path = path;
    this.#timeoutMs = timeoutMs;
    this.#onEvent = onEvent;
    this.#socket = createConnection(path);
    this.#socket.unref();
    this.#socket.on('data', (bytes) => this.#take(this.#decoder.write(bytes)));
    this.#socket.on('error', (error) => {
      this.#failure ??= error;
    });
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', () => {
        const why = this.#failure?.message ?? 'it closed the connection';
        for (const { what, settle } of this.#waiting.splice(0)) settle.reject(this.#error(what, why, this.#failure));
        resolve();
      });
    });
  }

  /**
   * Connects and negotiates.
   *
   * @throws ZlayerError `INTERNAL` when QEMU goes away or says what it should not, `TIMEOUT`.
   */
  static async open(path: string, options: QmpOptions = {}): Promise<QmpClient> {
    options.signal?.throwIfAborted();
    const client = new QmpClient(path, options);
    try {
      await client.#wait('greeting', options.signal);
      await client.execute('qmp_capabilities', {}, options);
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /**
   * Runs a command and returns what it returns.
   *
   * @throws ZlayerError `INTERNAL` when QEMU refuses it or goes away, `TIMEOUT`. After a time-out or an abort the connection
   *   is closed, because the answer may still come.
   */
  async execute(command: string, args: object = {}, { signal }: Cancellable = {}): Promise<unknown> {
    signal?.throwIfAborted();
    const answer = this.#wait(command, signal);
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    return await answer;
  }

  close(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #wait(what: string, signal: AbortSignal | undefined): Promise<unknown> {
    const settle = Promise.withResolvers<unknown>();
    if (this.#socket.destroyed) throw this.#error(what, 'the connection is closed');
    this.#waiting.push({ what, settle });
    const giveUp = (error: Error): void => {
      settle.reject(error);
      this.#socket.destroy();
    };
    const expire = (): void => {
      const seconds = this.#timeoutMs / 1000;
      giveUp(new ZlayerError('TIMEOUT', `QEMU did not answer (${what}) within ${seconds} s`, { subject: this.#path }));
    };
    const timer = Number.isFinite(this.#timeoutMs) ? setTimeout(expire, this.#timeoutMs) : undefined;
    const abort = (): void => giveUp(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await settle.promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  #take(text: string): void {
    const lines = (this.#input + text).split('\n');
    this.#input = lines.pop() ?? '';
    if (this.#input.length > MAX_LINE) this.#fail(new Error('its answer is too long'));
    for (const line of lines) if (line.trim() !== '') this.#takeLine(line);
  }

  #takeLine(line: string): void {
    let message: Message;
    try {
      message = JSON.parse(line) as Message;
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    if (typeof message.event === 'string') {
      this.#onEvent?.({ event: message.event, data: (message.data ?? {}) as QmpEvent['data'] });
      return;
    }
    const next = this.#waiting.shift();
    if (message.error) next?.settle.reject(this.#error(next.what, message.error.desc ?? 'it refused'));
    else next?.settle.resolve(message.return ?? message.QMP);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#socket.destroy();
  }

  #error(what: string, why: string, cause?: unknown): ZlayerError {
    return new ZlayerError('INTERNAL', `QEMU did not carry out ${what}: ${why}`, { subject: this.#path, cause });
  }
}

/** Runs one command on a connection of its own. */
export async function qmpCommand(path: string, command: string, args: object, options: QmpOptions): Promise<unknown> {
  using client = await QmpClient.open(path, options);
  return await client.execute(command, args, options);
}
