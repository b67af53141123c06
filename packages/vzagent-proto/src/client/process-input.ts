import { Writable } from 'node:stream';
import type { MessageConnection } from './message-connection.ts';

/** More room than any agent has for the input of a process. */
const MAX_WINDOW = 16 * 1024 * 1024;

/** Most bytes of input in one frame. */
const MAX_PIECE = 64 * 1024;

/** The standard input of a process: takes no more than the agent says it has room for. Ending it closes the input. */
export class ProcessInput extends Writable {
  readonly #connection: MessageConnection;
  #room: number;
  #credited: PromiseWithResolvers<void> | undefined;

  constructor(connection: MessageConnection, window: number) {
    super({ highWaterMark: MAX_PIECE, emitClose: true });
    this.#connection = connection;
    this.#room = window;
    // Who does not look at the input must not be ended by it: the process may close it, or end, at any time.
    this.on('error', () => {});
  }

  /**
   * The agent has so much more room. False when it has more than can be: what an earlier connection had sent may come
   * back on this one, so the window at the beginning is no bound.
   */
  credit(bytes: number): boolean {
    this.#room += bytes;
    this.#credited?.resolve();
    return this.#room <= MAX_WINDOW;
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#connection.send({ type: 'StdinEof' }).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#credited?.resolve();
    done(error);
  }

  async #send(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      while (this.#room === 0 && !this.destroyed) {
        this.#credited = Promise.withResolvers();
        await this.#credited.promise;
      }
      if (this.destroyed) return;
      const data = chunk.subarray(at, at + Math.min(this.#room, MAX_PIECE));
      this.#room -= data.length;
      at += data.length;
      await this.#connection.send({ type: 'Stdin', data });
    }
  }
}
