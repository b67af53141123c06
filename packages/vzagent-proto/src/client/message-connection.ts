import type { Duplex } from 'node:stream';
import { abortable } from '@zlayer/runtime-core';
import { encodeFrame, encodeFrameParts } from '../frame.ts';
import { FrameDecoder } from '../frame-decoder.ts';
import type { Message } from '../message.ts';
import { lostError, protocolFault } from './agent-error.ts';

/** Opens a stream to the agent's control port. A stream that comes after the signal is destroyed. */
export type Connect = (options: { signal: AbortSignal }) => Promise<Duplex>;

/** Bytes that are read before somebody asks for them, so that the stream need not stop after every chunk. */
const READ_AHEAD = 128 * 1024;

/** Messages over one stream, of which no more is read than a little ahead; a fault destroys the stream. */
export class MessageConnection {
  readonly #stream: Duplex;
  #purpose: string;
  readonly #decoder = new FrameDecoder({ direction: 'toHost' });
  #chunks: Uint8Array[] = [];
  #ahead = 0;
  #messages: Iterator<Message, void> | undefined;
  #ended = false;
  #isResting = false;
  #failure: unknown;
  #readable: PromiseWithResolvers<void> | undefined;
  #writable: PromiseWithResolvers<void> | undefined;

  constructor(stream: Duplex, purpose: string) {
    this.#stream = stream;
    this.#purpose = purpose;
    stream.on('data', (chunk: Uint8Array) => {
      if (this.#isResting) return this.destroy();
      this.#chunks.push(chunk);
      this.#ahead += chunk.length;
      if (this.#ahead >= READ_AHEAD) stream.pause();
      this.#wakeReader();
    });
    stream.on('end', () => {
      if (this.#isResting) return this.destroy();
      this.#ended = true;
      this.#wakeReader();
    });
    stream.on('drain', () => this.#wakeWriters());
    stream.on('error', (error) => this.#fail(lostError(this.#purpose, error)));
    stream.on('close', () => this.#fail(lostError(this.#purpose)));
  }

  /** What the connection is for: errors begin with it. */
  get purpose(): string {
    return this.#purpose;
  }

  /**
   * Connects, unless the signal comes first; from then on the signal destroys the connection until `release` is called.
   */
  static async open(connect: Connect, purpose: string, signal: AbortSignal): Promise<MessageConnection> {
    const connection = new MessageConnection(await openStream(connect, purpose, signal), purpose);
    connection.#heed(signal);
    return connection;
  }

  /** A stream on which nothing but one message is ours. */
  static async raw(connect: Connect, first: Message, signal: AbortSignal): Promise<Duplex> {
    const stream = await openStream(connect, first.type, signal);
    try {
      stream.write(encodeFrame(first));
      return stream;
    } catch (error) {
      stream.destroy();
      throw protocolFault(first.type, error);
    }
  }

  /**
   * Lets the connection wait for another purpose, keeping no program alive; whatever comes meanwhile is its end. False
   * when it cannot: it is lost, something came already, or its stream is of a kind that keeps programs alive.
   */
  rest(): boolean {
    if (!this.#isQuiet || !('unref' in this.#stream) || typeof this.#stream.unref !== 'function') return false;
    this.#stream.unref();
    this.#isResting = true;
    return true;
  }

  /** Goes on with another purpose, until the signal as after `open`. False, and the end, when it cannot any more. */
  wake(purpose: string, signal: AbortSignal): boolean {
    if (!this.#isQuiet || !('ref' in this.#stream) || typeof this.#stream.ref !== 'function') {
      this.destroy();
      return false;
    }
    this.#stream.ref();
    this.#isResting = false;
    this.#purpose = purpose;
    this.#heed(signal);
    return true;
  }

  get #isQuiet(): boolean {
    try {
      return this.#failure === undefined && !this.#ended && this.#ahead === 0 && this.#next() === undefined;
    } catch {
      return false;
    }
  }

  #heed(signal: AbortSignal): void {
    const cut = (): void => this.destroy(signal.reason);
    signal.addEventListener('abort', cut, { once: true });
    this.#release = () => signal.removeEventListener('abort', cut);
  }

  #release = (): void => {};

  /** Lets the connection live on after the call that opened it. */
  release(): void {
    this.#release();
  }

  /** The next message; `undefined` when the agent ended the connection between two messages. */
  async receive(): Promise<Message | undefined> {
    for (;;) {
      const message = this.#next();
      if (message !== undefined) return message;
      if (this.#take()) continue;
      if (this.#ended) return this.#endOfStream();
      if (this.#failure !== undefined) throw this.#failure;
      this.#readable = Promise.withResolvers();
      await this.#readable.promise;
    }
  }

  /** Like `receive`, where the agent has to say something. */
  async answer(): Promise<Message> {
    const message = await this.receive();
    if (message === undefined) throw this.#fail(lostError(this.purpose));
    return message;
  }

  /** Sends a message; waits while the stream has enough to send. */
  async send(message: Message): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const stream = this.#stream;
    let room = true;
    try {
      const parts = encodeFrameParts(message);
      stream.cork();
      for (const part of parts) room = stream.write(part);
    } catch (error) {
      throw protocolFault(this.purpose, error);
    } finally {
      stream.uncork();
    }
    if (room) return;
    this.#writable ??= Promise.withResolvers();
    await this.#writable.promise;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Ends the connection after what was sent. */
  async end(): Promise<void> {
    if (this.#stream.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stream.once('close', resolve).end(resolve);
    await promise;
    this.#stream.destroy();
  }

  /** Ends the connection at once; whoever waits for a message gets the error. */
  destroy(error?: unknown): void {
    this.#messages = undefined;
    this.#chunks = [];
    this.#fail(error ?? lostError(this.purpose, new Error('it was closed on this side')));
  }

  /** Gives the next chunk to the decoder, if there is one. */
  #take(): boolean {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return false;
    this.#ahead -= chunk.length;
    if (this.#ahead < READ_AHEAD / 2 && this.#stream.isPaused()) this.#stream.resume();
    try {
      this.#messages = this.#decoder.push(chunk)[Symbol.iterator]();
      return true;
    } catch (error) {
      throw this.#fail(protocolFault(this.purpose, error));
    }
  }

  #next(): Message | undefined {
    if (this.#messages === undefined) return undefined;
    try {
      const { value } = this.#messages.next();
      if (value) return value;
      this.#messages = undefined;
      return undefined;
    } catch (error) {
      this.#messages = undefined;
      throw this.#fail(protocolFault(this.purpose, error));
    }
  }

  #endOfStream(): undefined {
    try {
      this.#decoder.end();
      return undefined;
    } catch (error) {
      throw this.#fail(lostError(this.purpose, error));
    }
  }

  #fail(error: unknown): unknown {
    if (this.#failure === undefined) {
      this.#failure = error;
      this.#release();
      this.#stream.destroy();
      this.#wakeReader();
      this.#wakeWriters();
    }
    return error;
  }

  #wakeReader(): void {
    this.#readable?.resolve();
    this.#readable = undefined;
  }

  /** All of them: each looks again whether there is room for it. */
  #wakeWriters(): void {
    this.#writable?.resolve();
    this.#writable = undefined;
  }
}

/** Connects, unless the signal comes first. */
async function openStream(connect: Connect, purpose: string, signal: AbortSignal): Promise<Duplex> {
  signal.throwIfAborted();
  const opening = connect({ signal });
  try {
    return await abortable(opening, signal);
  } catch (error) {
    // Who does not heed the signal may still bring a stream that nobody wants.
    opening.then(
      (late) => late.on('error', () => {}).destroy(),
      () => {},
    );
    signal.throwIfAborted();
    throw lostError(purpose, error);
  }
}
