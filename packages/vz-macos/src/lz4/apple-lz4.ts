import { ZlayerError } from '@zlayer/runtime-core';
import { decodeBlock } from './decode-block.ts';
import { boundOf, encodeBlock, newPositions } from './encode-block.ts';

/**
 * Apple's framing of LZ4 (`COMPRESSION_LZ4` of libcompression): blocks, each with a magic number of four bytes and its sizes as
 * 32 bits in little-endian order.
 */
const COMPRESSED = 'bv41';
const STORED = 'bv4-';
const END = 'bv4$';

/** How far back a block may refer. */
const WINDOW = 64 * 1024;
/** What libcompression makes is 64 KiB at most. */
const LARGEST_BLOCK = 4 * 1024 * 1024;
const OUTPUT = LARGEST_BLOCK + WINDOW;
const BLOCK = 64 * 1024;

export interface DecodeOptions {
  /** What the stream holds, by another account: more is refused as it comes. */
  maxBytes: number;
  /** For messages. */
  subject?: string | undefined;
}

/**
 * Decodes a stream of Apple's LZ4 frames. Each piece is of use only until the next is asked for: its memory is used again.
 *
 * @throws ZlayerError `PULL_FAILED` for a stream that is damaged, cut off, or holds more than it may.
 */
export async function* decodeAppleLz4(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { maxBytes, subject }: DecodeOptions,
): AsyncGenerator<Uint8Array, void> {
  const input = new Input(source, (why) => damaged(why, subject));
  const output = Buffer.allocUnsafe(OUTPUT);
  let begin = 0;
  let end = 0;
  let total = 0;
  for (;;) {
    const magic = (await input.take(4)).toString('latin1');
    if (magic === END) break;
    if (magic !== COMPRESSED && magic !== STORED) throw damaged(`${JSON.stringify(magic)} begins no block`, subject);
    const sizes = await input.take(magic === COMPRESSED ? 8 : 4);
    const raw = sizes.readUInt32LE(0);
    const size = magic === COMPRESSED ? sizes.readUInt32LE(4) : raw;
    if (raw > LARGEST_BLOCK || size > boundOf(LARGEST_BLOCK))
      throw damaged(`a block of ${raw} bytes is too large`, subject);
    total += raw;
    if (total > maxBytes) throw damaged(`it holds more than ${maxBytes} bytes`, subject);
    if (end + raw > OUTPUT) {
      if (end > begin) yield output.subarray(begin, end);
      const kept = Math.min(WINDOW, end);
      output.copyWithin(0, end - kept, end);
      begin = kept;
      end = kept;
    }
    const block = await input.take(size);
    if (magic === STORED) {
      block.copy(output, end);
    } else {
      decodeOne(block, output, end, raw, subject);
    }
    end += raw;
  }
  if (end > begin) yield output.subarray(begin, end);
  if (!(await input.isAtEnd())) throw damaged('something follows its end', subject);
}

function decodeOne(block: Buffer, output: Buffer, start: number, raw: number, subject: string | undefined): void {
  let end: number;
  try {
    end = decodeBlock(block, output, start, start + raw);
  } catch (cause) {
    throw damaged(`a block is damaged: ${(cause as Error).message}`, subject, cause);
  }
  if (end !== start + raw) throw damaged(`a block has ${end - start} bytes in place of ${raw}`, subject);
}

/** Encodes a stream, in blocks of 64 KiB that refer back to each other. Each piece is a block of its own memory. */
export async function* encodeAppleLz4(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Buffer, void> {
  const input = new Input(source, () => new RangeError('the source ends early'));
  const window = Buffer.alloc(WINDOW + BLOCK);
  let positions = newPositions();
  let start = 0;
  for (;;) {
    const block = await input.upTo(BLOCK);
    if (block.length === 0) break;
    if (start + block.length > window.length) {
      // What was seen lies elsewhere now.
      window.copyWithin(0, start - WINDOW, start);
      positions = positions.map((position) => position - (start - WINDOW));
      start = WINDOW;
    }
    block.copy(window, start);
    const target = Buffer.allocUnsafe(12 + boundOf(block.length));
    const size = encodeBlock(window, start, start + block.length, target.subarray(12), positions);
    start += block.length;
    if (size >= block.length) {
      const stored = Buffer.allocUnsafe(8 + block.length);
      stored.write(STORED, 'latin1');
      stored.writeUInt32LE(block.length, 4);
      block.copy(stored, 8);
      yield stored;
    } else {
      target.write(COMPRESSED, 'latin1');
      target.writeUInt32LE(block.length, 4);
      target.writeUInt32LE(size, 8);
      yield target.subarray(0, 12 + size);
    }
  }
  yield Buffer.from(END, 'latin1');
}

/** Takes as many bytes as are wanted from pieces of any size. */
class Input {
  readonly #pieces: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  readonly #cutOff: (why: string) => Error;
  #piece: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, cutOff: (why: string) => Error) {
    this.#pieces = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    this.#cutOff = cutOff;
  }

  async take(bytes: number): Promise<Buffer> {
    const taken = await this.upTo(bytes);
    if (taken.length === bytes) return taken;
    throw this.#cutOff(`it is cut off ${bytes - taken.length} bytes early`);
  }

  /** Fewer only at the end. */
  async upTo(bytes: number): Promise<Buffer> {
    if (this.#piece.length < bytes) {
      const parts = [this.#piece];
      let length = this.#piece.length;
      while (length < bytes && (await this.#next())) {
        parts.push(this.#piece);
        length += this.#piece.length;
      }
      this.#piece = Buffer.concat(parts, length);
    }
    const taken = this.#piece.subarray(0, bytes);
    this.#piece = this.#piece.subarray(taken.length);
    return taken;
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#piece.length === 0) if (!(await this.#next())) return true;
    return false;
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#pieces.next();
    if (done === true) return false;
    this.#piece = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return true;
  }
}

const damaged = (why: string, subject: string | undefined, cause?: unknown): ZlayerError =>
  new ZlayerError('PULL_FAILED', `this is not what Apple's LZ4 makes: ${why}`, { subject, cause });
