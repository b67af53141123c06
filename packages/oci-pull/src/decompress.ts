import { once } from 'node:events';
import type { Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { messageOf, systemErrorCode } from './errors.ts';
import { returnPiece } from './piece-pool.ts';
import { releaseBuffer } from './release-buffer.ts';

/** Thrown for compressed data that cannot be read to its end. */
export class DecompressionError extends Error {
  override readonly name = 'DecompressionError';
}

type Decoder = Transform & { readonly bytesWritten: number };

const chunkSize = 256 * 1024;
/** A decoder has its next input at hand, and goes on while what it has made is used. */
const decoderOptions = { chunkSize, writableHighWaterMark: 2 * chunkSize, readableHighWaterMark: 4 * chunkSize };

/**
 * Decompresses a stream by what it is (gzip, zstd, or neither), whatever its media type says: builders mix them up,
 * and a layer's diff id decides in the end.
 *
 * A chunk is valid until the next one is asked for. Follows several gzip members and several zstd frames, as parallel compressors write them. Throws a
 * {@link DecompressionError} when the stream is damaged, cut off or followed by something else.
 */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new Input(source);
  try {
    const magic = await input.peek(4);
    if (isGzip(magic)) yield* decodeGzip(input);
    else if (isZstd(magic)) yield* decodeZstd(input);
    else for (let chunk = await input.next(); chunk !== undefined; chunk = await input.next()) yield chunk;
  } finally {
    await input.close();
  }
}

function isGzip(magic: Uint8Array): boolean {
  return magic[0] === 0x1f && magic[1] === 0x8b;
}

/** An ordinary frame, or a skippable one, with which seekable archives may begin. */
function isZstd(magic: Uint8Array): boolean {
  const [a = 0, b, c, d] = magic;
  return (
    (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) || (a >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18)
  );
}

async function* decodeGzip(input: Input): AsyncGenerator<Uint8Array> {
  yield* decodeOnce(createGunzip(decoderOptions), input);
  // Node follows further members by itself and leaves only a padding of zeros.
  for (let rest = await input.next(); rest !== undefined; rest = await input.next()) {
    if (rest.some((byte) => byte !== 0)) throw new DecompressionError('something follows the compressed data');
  }
}

/** Node's decoder ends with the first frame, so each further frame gets a decoder of its own. */
async function* decodeZstd(input: Input): AsyncGenerator<Uint8Array> {
  for (let magic = await input.peek(4); magic.length > 0; magic = await input.peek(4)) {
    if (!isZstd(magic)) throw new DecompressionError('something follows the compressed data');
    yield* decodeOnce(createZstdDecompress(decoderOptions), input);
  }
}

/** Runs one decoder to its end and gives what it did not consume back to the input. */
async function* decodeOnce(decoder: Decoder, input: Input): AsyncGenerator<Uint8Array> {
  const fed = new FedChunks();
  const feeding = feed(decoder, input, fed);
  try {
    for await (const chunk of decoder) {
      yield chunk;
      // A decoder goes on to another buffer when it has filled one to its end.
      releaseBuffer(chunk);
    }
  } catch (error) {
    const damaged = /^(Z|ZSTD)_/.test(systemErrorCode(error) ?? '');
    throw damaged ? new DecompressionError(`the compressed data is damaged: ${messageOf(error)}`) : error;
  } finally {
    decoder.destroy();
    await feeding;
  }
  for (const chunk of fed.beyond(decoder.bytesWritten)) input.unread(chunk);
}

/** What a decoder was given and may not have consumed yet. */
class FedChunks {
  readonly #chunks: Uint8Array[] = [];
  #end = 0;

  /** @param consumed Bytes that the decoder is through with: they are forgotten. */
  add(chunk: Uint8Array, consumed: number): void {
    let start = this.#end - this.#chunks.reduce((sum, { length }) => sum + length, 0);
    const kept = this.#chunks.findIndex(({ length }) => {
      start += length;
      return start > consumed;
    });
    for (const done of this.#chunks.splice(0, kept < 0 ? this.#chunks.length : kept)) returnPiece(done);
    this.#chunks.push(chunk);
    this.#end += chunk.length;
  }

  /** What lies beyond an offset, the last chunk first. */
  *beyond(offset: number): Generator<Uint8Array> {
    for (let chunk = this.#chunks.pop(); chunk !== undefined && this.#end > offset; chunk = this.#chunks.pop()) {
      yield chunk.subarray(Math.max(0, chunk.length - (this.#end - offset)));
      this.#end -= chunk.length;
    }
  }
}

/** Never rejects: a failure of the input surfaces where the decoder is read. */
async function feed(decoder: Decoder, input: Input, fed: FedChunks): Promise<void> {
  try {
    while (decoder.readable && !decoder.readableEnded) {
      const chunk = await input.next();
      if (chunk === undefined) {
        decoder.end();
        return;
      }
      fed.add(chunk, decoder.bytesWritten);
      // A decoder that reached its end neither drains nor takes more.
      if (decoder.readable && !decoder.write(chunk)) await drained(decoder);
    }
  } catch (error) {
    decoder.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

async function drained(decoder: Decoder): Promise<void> {
  const done = new AbortController();
  const { signal } = done;
  try {
    await Promise.race(['drain', 'end', 'close'].map((event) => once(decoder, event, { signal })));
  } finally {
    done.abort();
  }
}

/** A stream of chunks of which some can be given back. */
class Input {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #returned: Uint8Array[] = [];

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async next(): Promise<Uint8Array | undefined> {
    const returned = this.#returned.pop();
    if (returned !== undefined) return returned;
    for (;;) {
      const { value, done } = await this.#source.next();
      if (done === true) return undefined;
      if (value.length > 0) return value;
    }
  }

  unread(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#returned.push(chunk);
  }

  /** The next bytes without consuming them; fewer only at the end. */
  async peek(count: number): Promise<Uint8Array> {
    let bytes: Buffer = Buffer.alloc(0);
    while (bytes.length < count) {
      const chunk = await this.next();
      if (chunk === undefined) break;
      bytes =
        bytes.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat([bytes, chunk]);
    }
    this.unread(bytes);
    return bytes.subarray(0, count);
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
