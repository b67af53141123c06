import { Duplex } from 'node:stream';
import type { Message } from '../message.ts';
import { AgentError, lostError, outOfPlace } from './agent-error.ts';
import type { MessageConnection } from './message-connection.ts';
import { printable } from './printable.ts';

/** Most bytes in one frame. */
const MAX_PIECE = 64 * 1024;

/**
 * A stream to a socket in the guest. Each side ends by itself, also over transports that cannot half-close; a reset of
 * the other end is an error (`AgentError`, kind `reset`), and destroying the tunnel before both sides have ended resets
 * the other end.
 */
export class Tunnel extends Duplex {
  readonly #connection: MessageConnection;
  #reading = false;
  #isReset = false;

  constructor(connection: MessageConnection) {
    super({ allowHalfOpen: true, readableHighWaterMark: MAX_PIECE, writableHighWaterMark: MAX_PIECE });
    this.#connection = connection;
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
    for (;;) {
      const message = await this.#connection.answer();
      if (message.type === 'Data') {
        if (message.data.length === 0 || this.push(message.data)) continue;
        this.#reading = false;
        return;
      }
      if (message.type === 'End') {
        this.push(null);
        await this.#receiveReset();
        return;
      }
      throw this.#reset(message);
    }
  }

  /** Behind its end the other side can only reset. */
  async #receiveReset(): Promise<void> {
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
    if (isOver || this.#isReset) return this.#connection.end();
    const reset = this.#connection.send({ type: 'Reset', message: error === null ? '' : 'the host gave up' });
    // A stream that takes nothing more is not waited for: to lose the connection is a reset as well.
    const isSent = reset.then(() => this.#connection.end()).catch(() => {});
    await Promise.race([isSent, new Promise((resolve) => setImmediate(resolve))]);
    this.#connection.destroy();
  }
}
