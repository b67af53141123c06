import type { Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';

/** No message is longer, in bytes and with its newline. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

type OnMessage = (message: unknown, length: number) => void;

/**
 * Messages on a socket, one JSON value a line. What is no message, or too long, ends the connection.
 *
 * Reading never waits for writing, so that two ends that both send much cannot block each other: what the other end does
 * not read waits here. Whoever may have much to send waits for `drained` first; `maxWaitingBytes` is for those who do not.
 */
export class JsonLines {
  readonly #socket: Socket;
  readonly #decoder = new StringDecoder('utf8');
  readonly #maxWaitingBytes: number;
  #input: string[] = [];
  #length = 0;
  #room: Promise<void> | undefined;

  /** `onMessage` is told the length of each message, too. An end that lets more than `maxWaitingBytes` wait is given up. */
  constructor(socket: Socket, onMessage: OnMessage, { maxWaitingBytes = Number.POSITIVE_INFINITY } = {}) {
    this.#socket = socket;
    this.#maxWaitingBytes = maxWaitingBytes;
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => this.#take(this.#decoder.write(bytes), onMessage));
  }

  /**
   * Sends a message.
   *
   * @throws RangeError if it is too long.
   */
  send(message: unknown): void {
    const line = `${JSON.stringify(message)}\n`;
    const bytes = Buffer.byteLength(line);
    if (bytes > MAX_MESSAGE_BYTES) throw new RangeError(`a message of ${bytes} bytes is too long`);
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#socket.write(line);
    if (this.#socket.writableLength > this.#maxWaitingBytes) this.#socket.destroy();
  }

  /** Resolves when there is room for more: the other end has taken what it was sent, or is gone. */
  async drained(): Promise<void> {
    if (this.#socket.destroyed || !this.#socket.writableNeedDrain) return;
    // One pair of listeners for all who wait.
    this.#room ??= new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done).off('close', done);
        this.#room = undefined;
        resolve();
      };
      this.#socket.on('drain', done).on('close', done);
    });
    await this.#room;
  }

  #take(text: string, onMessage: OnMessage): void {
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.#input.push(text.slice(start, end));
      const line = this.#input.join('');
      this.#input = [];
      this.#length = 0;
      start = end + 1;
      if (!this.#deliver(line, onMessage)) return;
    }
    this.#input.push(text.slice(start));
    this.#length += text.length - start;
    if (this.#length > MAX_MESSAGE_BYTES) this.#socket.destroy();
  }

  #deliver(line: string, onMessage: OnMessage): boolean {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      this.#socket.destroy();
      return false;
    }
    onMessage(message, line.length);
    return !this.#socket.destroyed;
  }
}
