import { isUint8Array } from 'node:util/types';
import { MAX_FRAME_LENGTH } from './limits.ts';
import type { Message } from './message.ts';
import { codecOfTag, codecOfType, type MessageCodec } from './message-codec.ts';
import { ProtocolError } from './protocol-error.ts';
import { Reader } from './reader.ts';
import { varintSize, Writer } from './writer.ts';

/** The bytes of the length prefix. */
export const PREFIX_SIZE = 4;

/** Below this many bytes a copy costs less than a second part. */
const LEAST_PART = 4096;

/**
 * A whole frame, length prefix included, in one buffer of exactly its size that belongs to the caller.
 *
 * @throws {ProtocolError} `BAD_TYPE`, `OUT_OF_RANGE`, `BAD_UTF8`, `UNKNOWN_TAG` (no such `type`) or `FRAME_TOO_LARGE`.
 */
export function encodeFrame(message: Message): Uint8Array {
  const codec = codecOfMessage(message);
  const length = frameLength(codec, message);
  const out = new Writer(PREFIX_SIZE + length);
  writeHead(out, codec, length);
  codec.body.write(out, message);
  return out.bytes;
}

/**
 * The frame in parts that belong together, to be written one after the other (`cork` a stream): where the last field is
 * a byte vector of some size (`Stdin`, `Data`, `Output`), that is the second part, and is the message's own, not a
 * copy.
 *
 * @throws {ProtocolError} like `encodeFrame`.
 */
export function encodeFrameParts(message: Message): Uint8Array[] {
  const data = 'data' in message ? message.data : undefined;
  if (!isUint8Array(data) || data.length < LEAST_PART) return [encodeFrame(message)];
  const codec = codecOfMessage(message);
  const length = frameLength(codec, message);
  const out = new Writer(PREFIX_SIZE + length - data.length, data);
  writeHead(out, codec, length);
  codec.body.write(out, message);
  return [out.bytes, data];
}

function frameLength(codec: MessageCodec, message: Message): number {
  const length = 1 + varintSize(codec.discriminant) + codec.body.size(message);
  if (length > MAX_FRAME_LENGTH) throw tooLarge(length);
  return length;
}

function writeHead(out: Writer, codec: MessageCodec, length: number): void {
  out.u32LittleEndian(length);
  out.byte(codec.tag);
  out.varint(codec.discriminant);
}

/**
 * The message of exactly one complete frame, length prefix included. Byte fields are views into `bytes`, not copies:
 * they change when `bytes` is written to, and keep it in memory.
 *
 * @throws {ProtocolError} whatever is wrong with the bytes, and nothing else.
 */
export function decodeFrame(bytes: Uint8Array): Message {
  assertBytes(bytes);
  const size = frameSize(bytes, 0, bytes.length);
  if (bytes.length < size) {
    throw new ProtocolError('TRUNCATED', `${bytes.length} bytes of at least ${size}`, bytes.length);
  }
  if (bytes.length > size) {
    throw new ProtocolError('TRAILING_BYTES', `${bytes.length - size} bytes after the frame`, size);
  }
  return readMessage(codecAt(bytes, 0), bytes, 0, size);
}

/**
 * How many bytes the frame that begins at `start` has, as far as the `available` bytes tell: with less than its
 * length prefix, the size of that. Throws when the length is not acceptable.
 */
export function frameSize(bytes: Uint8Array, start: number, available: number): number {
  if (available < PREFIX_SIZE) return PREFIX_SIZE;
  const length = u32LittleEndian(bytes, start);
  if (length === 0) throw new ProtocolError('EMPTY_FRAME', 'empty frame: a length of 0', 0);
  if (length > MAX_FRAME_LENGTH) throw tooLarge(length, 0);
  return PREFIX_SIZE + length;
}

/** The tag of the frame that begins at `start`, of which at least the tag is there. */
export function tagAt(bytes: Uint8Array, start: number): number {
  return bytes[start + PREFIX_SIZE] ?? 0;
}

/** The codec for the frame that begins at `start`, of which at least the tag is there. */
export function codecAt(bytes: Uint8Array, start: number): MessageCodec {
  const tag = tagAt(bytes, start);
  const codec = codecOfTag(tag);
  if (codec === undefined) throw new ProtocolError('UNKNOWN_TAG', `no message has the tag ${tag}`, PREFIX_SIZE);
  return codec;
}

/** The message of the complete frame `bytes[start..start + size)`. */
export function readMessage(codec: MessageCodec, bytes: Uint8Array, start: number, size: number): Message {
  const input = new Reader(bytes, start + PREFIX_SIZE + 1, start + size, start);
  const discriminant = input.varint(codec.name, 5, 0xffff_ffff);
  if (discriminant !== codec.discriminant) {
    throw new ProtocolError(
      'TAG_MISMATCH',
      `the tag ${codec.tag} (${codec.name}) with the discriminant ${discriminant} instead of ${codec.discriminant}`,
      PREFIX_SIZE + 1,
    );
  }
  const message = codec.body.read(input);
  if (input.remaining > 0) {
    throw input.error('TRAILING_BYTES', `${input.remaining} bytes after the fields of ${codec.name}`);
  }
  return message;
}

function u32LittleEndian(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  return (low | ((bytes[at + 3] ?? 0) << 24)) >>> 0;
}

/** Refuses what is not bytes at all, such as the strings of a socket with an encoding. */
export function assertBytes(bytes: unknown): asserts bytes is Uint8Array {
  if (!isUint8Array(bytes)) throw new ProtocolError('BAD_TYPE', `${typeof bytes} where a Uint8Array belongs`);
}

function codecOfMessage(message: unknown): MessageCodec {
  if (typeof message !== 'object' || message === null || !('type' in message) || typeof message.type !== 'string') {
    throw new ProtocolError('BAD_TYPE', 'a message is an object with a string named type');
  }
  const codec = codecOfType(message.type);
  if (codec === undefined) throw new ProtocolError('UNKNOWN_TAG', `no message is named ${message.type.slice(0, 40)}`);
  return codec;
}

function tooLarge(length: number, offset?: number): ProtocolError {
  return new ProtocolError('FRAME_TOO_LARGE', `a frame of ${length} bytes, ${MAX_FRAME_LENGTH} allowed`, offset);
}
