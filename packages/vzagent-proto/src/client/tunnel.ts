import { Duplex } from 'node:stream';
import type { Message } from '../message.ts';
import { AgentError, lostError, outOfPlace } from './agent-error.ts';
import type { IdleConnections } from './idle-connections.ts';
import type { MessageConnection } from './message-connection.ts';
import { printable } from './printable.ts';

/** Most bytes in one frame. */
const MAX_PIECE = 64 * 1024;

export interface TunnelOptions {
  /** Resolves when the guest has connected; until then the connection is read by somebody else. */
  opened: Promise<unknown>;
  /** Takes the connection when both sides have ended. Without it, the connection is ended. */
  idle?: IdleConnections | undefined;
}

/**
 * A stream to a socket in the guest. Each side ends by itself, also over transports that cannot half-close; a reset of
 * the other end is an error (`AgentError`, kind `reset`), and destroying the tunnel before both sides have ended resets
 * the other end.
 */
export class Tunnel extends Duplex {
  readonly #connection: MessageConnection;
  readonly #opened: Promise<unknown>;
  readonly #idle: IdleConnections | undefined;
  #reading = false;
  #awaitsReset = false;
  #isReset = false;

  constructor(connection: MessageConnection, { opened, idle }: TunnelOptions) {
    super({ allowHalfOpen: true, readableHighWaterMark: MAX_PIECE, writableHighWaterMark: MAX_PIECE });
    this.#connection = connection;
    this.#opened = opened;
    this.#idle = idle;
    // Before anybody reads: a reset has to be seen by who only writes.
    this.read(0);
  }

  override _read(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.#receive().catch((error) => this.destroy(error));
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#connection.send({ type: 'End' }).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#close(error).then(() => done(error), done);
  }

  async #receive(): Promise<void> {
    await this.#opened;
    for (;;) {
      const message = await this.#connection.answer();
      if (message.type === 'Data') {
        if (message.data.length === 0 || this.push(message.data)) continue;
        this.#reading = false;
        return;
      }
      if (message.type === 'End') {
        this.push(null);
        if (!this.writableFinished) await this.#receiveReset();
        return;
      }
      throw this.#reset(message);
    }
  }

  /** Behind its end the other side can only reset. */
  async #receiveReset(): Promise<void> {
    this.#awaitsReset = true;
    const message = await this.#connection.receive();
    if (message !== undefined) throw this.#reset(message);
    if (!this.writableEnded) throw lostError(this.#connection.purpose);
  }

  #reset(message: Message): AgentError {
    const { purpose } = this.#connection;
    this.#isReset = message.type === 'Reset';
    if (message.type !== 'Reset') return outOfPlace(purpose, message.type);
    return new AgentError('reset', `${purpose}: ${printable(message.message) || 'reset'}`);
  }

  async #send(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; at += MAX_PIECE) {
      await this.#connection.send({ type: 'Data', data: chunk.subarray(at, at + MAX_PIECE) });
    }
  }

  async #close(error: Error | null): Promise<void> {
    const isOver = this.readableEnded && this.writableFinished;
    if (isOver && this.#idle !== undefined && !this.#awaitsReset) return this.#idle.keep(this.#connection);
    if (isOver || this.#isReset) return this.#connection.end();
    const reset = this.#connection.send({ type: 'Reset', message: error === null ? '' : 'the host gave up' });
    // A stream that takes nothing more is not waited for: to lose the connection is a reset as well.
    const isSent = reset.then(() => this.#connection.end()).catch(() => {});
    await Promise.race([isSent, new Promise((resolve) => setImmediate(resolve))]);
    this.#connection.destroy();
  }
}
