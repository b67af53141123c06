import { assertBytes, codecAt, frameSize, PREFIX_SIZE, readMessage, tagAt } from './frame.ts';
import type { Message, UnknownMessage } from './message.ts';
import { codecOfTag } from './message-codec.ts';
import { ProtocolError } from './protocol-error.ts';
import { Reader } from './reader.ts';
import type { Direction } from './schema.ts';

/** What to do with a frame whose tag is not in the protocol: fail, or hand it on undecoded. */
export type UnknownTags = 'error' | 'report';

export interface FrameDecoderOptions<U extends UnknownTags = UnknownTags> {
  /** `'error'` by default; `'report'` for a peer with which extensions were negotiated (skip them by ignoring them). */
  unknownTags?: U | undefined;
  /**
   * Where the stream flows. A message that has no business there is refused at its tag, before its payload is
   * looked at: what a host reads should be `'toHost'`. Any message is accepted by default.
   */
  direction?: Exclude<Direction, 'both'> | undefined;
}

type Decoded<U extends UnknownTags> = U extends 'report' ? Message | UnknownMessage : Message;

const NOTHING = new Uint8Array(0);

/**
 * Makes messages of a byte stream that arrives in pieces of any size.
 *
 * Byte fields are views, not copies: of the pushed chunk where the frame lies within one chunk, else of a buffer made
 * for that frame. So a chunk must not be written to after it was pushed, and a message kept keeps its chunk in memory.
 * Between chunks the decoder holds at most twice the bytes received of one frame, whatever length the frame claims.
 *
 * A fault is a `ProtocolError` and final: the decoder throws the same error from then on.
 */
export class FrameDecoder<U extends UnknownTags = 'error'> {
  readonly #unknownTags: UnknownTags;
  readonly #direction: Direction;
  #failure: ProtocolError | undefined;
  #ended = false;
  /** The chunk being read, and how far. */
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  /** The frame that began in an earlier chunk: its first `#held` bytes stand in `#partial`, which may be longer. */
  #partial: Uint8Array = NOTHING;
  #held = 0;

  constructor(options: FrameDecoderOptions<U> = {}) {
    this.#unknownTags = options.unknownTags ?? 'error';
    this.#direction = options.direction ?? 'both';
  }

  /**
   * Takes the next bytes of the stream, and gives the messages they complete as they are iterated: those before a
   * fault come before its error. What is not iterated is kept for the next call.
   *
   * @throws {ProtocolError} whatever is wrong with the stream, and nothing else.
   */
  push(chunk: Uint8Array): Iterable<Decoded<U>> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#ended) throw new ProtocolError('ENDED', 'bytes after the end of the stream');
    assertBytes(chunk);
    this.#chunk = this.#at < this.#chunk.length ? joined(this.#chunk.subarray(this.#at), chunk) : chunk;
    this.#at = 0;
    return this.#messages();
  }

  /**
   * Says that the stream has ended.
   *
   * @throws {ProtocolError} `TRUNCATED` if it ended within a frame, or the error with which decoding failed.
   */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#ended = true;
    const unread = this.#held + this.#chunk.length - this.#at;
    if (unread > 0) throw this.#fail(new ProtocolError('TRUNCATED', 'the stream ended within a frame', unread));
  }

  *#messages(): Generator<Decoded<U>, void, undefined> {
    for (let message = this.#next(); message !== undefined; message = this.#next()) yield message as Decoded<U>;
  }

  #next(): Message | UnknownMessage | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#held === 0 ? this.#fromChunk() : this.#fromPartial();
    } catch (error) {
      throw error instanceof ProtocolError ? this.#fail(error) : error;
    }
  }

  #fail(error: ProtocolError): ProtocolError {
    this.#failure = error;
    this.#chunk = NOTHING;
    this.#partial = NOTHING;
    return error;
  }

  /** The next message when its frame begins in this chunk. */
  #fromChunk(): Message | UnknownMessage | undefined {
    const start = this.#at;
    const available = this.#chunk.length - start;
    const size = this.#frameSize(this.#chunk, start, available);
    if (available >= size) {
      this.#at += size;
      return this.#read(this.#chunk, start, size);
    }
    // Kept as a view: a frame that the next chunk completes is copied once, into a buffer of exactly its size.
    this.#partial = this.#chunk.subarray(start);
    this.#held = available;
    this.#chunk = NOTHING;
    this.#at = 0;
    return undefined;
  }

  /** The next message when its frame began in an earlier chunk. */
  #fromPartial(): Message | UnknownMessage | undefined {
    let size = this.#frameSize(this.#partial, 0, this.#held);
    while (this.#held < size) {
      const count = Math.min(size - this.#held, this.#chunk.length - this.#at);
      if (count === 0) return undefined;
      this.#hold(count, size);
      size = this.#frameSize(this.#partial, 0, this.#held);
    }
    const frame = this.#partial;
    this.#partial = NOTHING;
    this.#held = 0;
    return this.#read(frame, 0, size);
  }

  /** Moves the next bytes of the chunk behind those held of a frame of `size` bytes. */
  #hold(count: number, size: number): void {
    const held = this.#held + count;
    if (held > this.#partial.length) {
      // Doubling copies each byte less than twice; growing with what came, not with what is claimed, bounds memory.
      // Not zeroed: a frame is handed on only when every byte of it has been written.
      const grown = Buffer.allocUnsafeSlow(Math.min(size, 2 * held));
      grown.set(this.#partial);
      this.#partial = grown;
    }
    this.#partial.set(this.#chunk.subarray(this.#at, this.#at + count), this.#held);
    this.#held = held;
    this.#at += count;
  }

  /** Like `frameSize`, and refuses the tag as soon as it is there. */
  #frameSize(bytes: Uint8Array, start: number, available: number): number {
    const size = frameSize(bytes, start, available);
    if (available <= PREFIX_SIZE) return size;
    if (this.#unknownTags === 'report' && codecOfTag(tagAt(bytes, start)) === undefined) return size;
    const { name, direction } = codecAt(bytes, start);
    if (this.#direction !== 'both' && direction !== 'both' && direction !== this.#direction) {
      const message = `${name} is a message ${direction}, on a stream ${this.#direction}`;
      throw new ProtocolError('WRONG_DIRECTION', message, PREFIX_SIZE);
    }
    return size;
  }

  #read(bytes: Uint8Array, start: number, size: number): Message | UnknownMessage {
    const tag = tagAt(bytes, start);
    const codec = codecOfTag(tag);
    if (codec !== undefined) return readMessage(codec, bytes, start, size);
    return { type: 'Unknown', tag, payload: new Reader(bytes, start + PREFIX_SIZE + 1, start + size, start).rest() };
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}
