import { connect, type Socket } from 'node:net';
import { ZlayerError } from '@zlayer/runtime-core';
import { type HostExit, isHostExit, isRecord } from './host-status.ts';

const MAX_LINE_BYTES = 256 * 1024;

interface Waiting {
  resolve(answer: Record<string, unknown>): void;
  reject(error: Error): void;
}

/** A connection to a host program's control socket. It does not keep the Node program alive. */
export class ControlConnection {
  readonly #path: string;
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #input = '';
  /** Takes what the host tells beside its answers, but for its end. */
  onEvent: (event: Record<string, unknown>) => void = () => {};
  /** Settles when the connection has ended, with how the host ended if it said so. */
  readonly closed: Promise<HostExit | undefined>;

  /** Connects; rejects with the system's error. */
  static async open(path: string): Promise<ControlConnection> {
    const socket = connect({ path });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new ControlConnection(path, socket);
  }

  private constructor(path: string, socket: Socket) {
    this.#path = path;
    this.#socket = socket;
    socket.unref();
    socket.removeAllListeners('error');
    socket.on('error', () => socket.destroy());
    socket.setEncoding('utf8');
    let exit: HostExit | undefined;
    socket.on('data', (text: string) => {
      exit = this.#take(text) ?? exit;
    });
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#fail();
        resolve(exit);
      });
    });
  }

  /**
   * Sends a request and returns its answer.
   *
   * @throws ZlayerError `CONFLICT` if the host refuses, `UNAVAILABLE` if it is gone.
   */
  async request(request: { op: string; [key: string]: unknown }): Promise<Record<string, unknown>> {
    const answer = await new Promise<Record<string, unknown>>((resolve, reject) => {
      if (!this.#socket.writable) {
        reject(this.#goneError());
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify(request)}\n`);
    });
    if (answer['ok'] === true) return answer;
    throw new ZlayerError('CONFLICT', `the host refused ${request.op}: ${String(answer['error'])}`, {
      subject: this.#path,
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Returns how the host ended, if these bytes tell it. */
  #take(text: string): HostExit | undefined {
    const lines = (this.#input + text).split('\n');
    this.#input = lines.pop() ?? '';
    let exit: HostExit | undefined;
    for (const line of lines) exit = this.#takeLine(line) ?? exit;
    if (this.#input.length > MAX_LINE_BYTES) this.#socket.destroy();
    return exit;
  }

  #takeLine(line: string): HostExit | undefined {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      message = undefined;
    }
    if (!isRecord(message)) {
      this.#socket.destroy();
      return undefined;
    }
    if (message['event'] === 'exited') return isHostExit(message['exit']) ? message['exit'] : undefined;
    if (message['event'] === undefined) this.#waiting.shift()?.resolve(message);
    else this.onEvent(message);
    return undefined;
  }

  #fail(): void {
    for (const { reject } of this.#waiting.splice(0)) reject(this.#goneError());
  }

  #goneError(): ZlayerError {
    return new ZlayerError('UNAVAILABLE', `the host program at ${this.#path} is gone`, { subject: this.#path });
  }
}
