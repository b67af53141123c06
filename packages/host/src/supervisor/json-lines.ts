import type { Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';

/** No message is longer, in bytes and with its newline. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/**
 * Messages on a socket, one JSON value a line. What is no message, or too long, ends the connection. The socket is not read
 * from while the other end does not read what it is sent.
 */
export class JsonLines {
  readonly #socket: Socket;
  readonly #decoder = new StringDecoder('utf8');
  #input: string[] = [];
  #length = 0;

  constructor(socket: Socket, onMessage: (message: unknown) => void) {
    this.#socket = socket;
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => this.#take(this.#decoder.write(bytes), onMessage));
    socket.on('drain', () => socket.resume());
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
    if (!this.#socket.write(line)) this.#socket.pause();
  }

  /** How much of what was sent waits for the other end, in bytes. */
  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  #take(text: string, onMessage: (message: unknown) => void): void {
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

  #deliver(line: string, onMessage: (message: unknown) => void): boolean {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      this.#socket.destroy();
      return false;
    }
    onMessage(message);
    return !this.#socket.destroyed;
  }
}
