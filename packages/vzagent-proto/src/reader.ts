import { ProtocolError, type ProtocolErrorCode } from './protocol-error.ts';

// A byte order mark at the start of a string is part of the string.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// Up to this many characters it is quicker to look for ASCII first.
const SHORT_STRING = 64;

const MAX_U64 = 2n ** 64n - 1n;

/**
 * Reads postcard values one after the other from a part of a buffer and never past its end. Every method takes the
 * name of the field it reads, for the error. Integers may have needless leading zeros, as postcard allows.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #origin: number;
  #offset: number;
  #text: Buffer | undefined;

  /** Reads `bytes[start..end)` of a frame whose length prefix begins at `origin`. */
  constructor(bytes: Uint8Array, start: number, end: number, origin: number) {
    this.#bytes = bytes;
    this.#offset = start;
    this.#end = end;
    this.#origin = origin;
  }

  get remaining(): number {
    return this.#end - this.#offset;
  }

  /** The error of a field, placed `back` bytes before the next byte to read. */
  error(code: ProtocolErrorCode, message: string, back = 0): ProtocolError {
    return new ProtocolError(code, message, this.#offset - this.#origin - back);
  }

  byte(field: string): number {
    const value = this.#offset < this.#end ? this.#bytes[this.#offset] : undefined;
    if (value === undefined) throw this.error('TRUNCATED', `${field}: the frame ends too early`);
    this.#offset++;
    return value;
  }

  /** An unsigned integer up to `max` (below 2^32) in at most `maxBytes` bytes. */
  varint(field: string, maxBytes: number, max: number): number {
    let value = this.byte(field);
    if (value < 0x80) return value;
    value &= 0x7f;
    let factor = 0x80;
    for (let used = 1; used < maxBytes; used++) {
      const next = this.byte(field);
      // Not a shift: the fifth byte may reach beyond 32 bits, and has to be seen to.
      value += (next & 0x7f) * factor;
      factor *= 0x80;
      if (next >= 0x80) continue;
      if (value > max) throw this.error('OUT_OF_RANGE', `${field}: ${value} is more than ${max}`, used + 1);
      return value;
    }
    throw this.error('BAD_VARINT', `${field}: the integer has more than ${maxBytes} bytes`, maxBytes);
  }

  varint64(field: string): bigint {
    let value = 0n;
    for (let used = 0; used < 10; used++) {
      const next = this.byte(field);
      value |= BigInt(next & 0x7f) << BigInt(7 * used);
      if (next >= 0x80) continue;
      if (value > MAX_U64) throw this.error('OUT_OF_RANGE', `${field}: ${value} is more than ${MAX_U64}`, used + 1);
      return value;
    }
    throw this.error('BAD_VARINT', `${field}: the integer has more than 10 bytes`, 10);
  }

  /** The length of what follows, in units of at least one byte: never more than the bytes that remain. */
  length(field: string): number {
    // Ten bytes, because postcard sends lengths as 64-bit integers.
    const length = this.varint(field, 10, Number.POSITIVE_INFINITY);
    if (length > this.remaining) {
      throw this.error('TRUNCATED', `${field}: a length of ${length}, but ${this.remaining} bytes remain`);
    }
    return length;
  }

  /** A view of the next bytes, preceded by their length. Nothing is copied. */
  byteVector(field: string): Uint8Array {
    return this.view(this.length(field));
  }

  string(field: string): string {
    const length = this.length(field);
    const short = length <= SHORT_STRING ? this.#ascii(length) : undefined;
    if (short !== undefined) return short;
    const bytes = this.view(length);
    try {
      return decoder.decode(bytes);
    } catch {
      throw this.error('BAD_UTF8', `${field}: the string is not valid UTF-8`, length);
    }
  }

  /** The next bytes as a string, if all are ASCII. */
  #ascii(length: number): string | undefined {
    const start = this.#offset;
    const end = start + length;
    for (let at = start; at < end; at++) if ((this.#bytes[at] ?? 0) >= 0x80) return undefined;
    this.#offset = end;
    this.#text ??= asBuffer(this.#bytes);
    return this.#text.toString('latin1', start, end);
  }

  /** A view of all that remains. */
  rest(): Uint8Array {
    return this.view(this.remaining);
  }

  private view(length: number): Uint8Array {
    // Not subarray(): that of a Buffer is a Buffer, and what a user gets must not depend on what was pushed.
    const view = new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + this.#offset, length);
    this.#offset += length;
    return view;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
