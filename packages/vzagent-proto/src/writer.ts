const encoder = new TextEncoder();

// Below this many characters a loop over ASCII is quicker than a call into the runtime.
const SHORT_STRING = 64;

/** The bytes that an unsigned integer below 2^32 takes as LEB128. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

/** The bytes that an unsigned integer below 2^53 takes as LEB128. */
export function varint53Size(value: number): number {
  let size = 0;
  let rest = value;
  // Division, because shifts end at 32 bits.
  for (; rest >= 0x1000_0000; rest = Math.floor(rest / 0x1000_0000)) size += 4;
  return size + varintSize(rest);
}

/** The bytes that an unsigned 64-bit integer takes as LEB128. */
export function varint64Size(value: bigint): number {
  let size = 1;
  for (let rest = value >> 7n; rest > 0n; rest >>= 7n) size++;
  return size;
}

/** The length of a string in UTF-8, or -1 when it has a lone surrogate and so none. */
export function utf8Size(value: string): number {
  let size = value.length;
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    if (unit < 0x80) continue;
    size += unit < 0x800 ? 1 : 2;
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = value.charCodeAt(i + 1);
    if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return -1;
    // The pair has two units and four bytes: the first was counted as three, the second as one.
    i++;
  }
  return size;
}

/** Writes postcard values one after the other into a buffer that was made large enough for all of them. */
export class Writer {
  readonly bytes: Uint8Array;
  offset = 0;
  readonly #apart: Uint8Array | undefined;

  /** `apart` is the byte vector at the end that travels by itself: its length is written, its bytes are not. */
  constructor(size: number, apart?: Uint8Array) {
    this.bytes = new Uint8Array(size);
    this.#apart = apart;
  }

  byte(value: number): void {
    this.bytes[this.offset++] = value;
  }

  u32LittleEndian(value: number): void {
    this.byte(value);
    this.byte(value >>> 8);
    this.byte(value >>> 16);
    this.byte(value >>> 24);
  }

  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** An unsigned integer below 2^53. */
  varint53(value: number): void {
    let rest = value;
    for (; rest >= 0x8000_0000; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) | 0x80);
    this.varint(rest);
  }

  varint64(value: bigint): void {
    let rest = value;
    while (rest >= 0x80n) {
      this.byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.byte(Number(rest));
  }

  byteVector(value: Uint8Array): void {
    this.varint(value.length);
    if (value === this.#apart) return;
    this.bytes.set(value, this.offset);
    this.offset += value.length;
  }

  string(value: string): void {
    const size = utf8Size(value);
    this.varint(size);
    if (size === value.length && size < SHORT_STRING) {
      for (let i = 0; i < size; i++) this.byte(value.charCodeAt(i));
      return;
    }
    encoder.encodeInto(value, this.bytes.subarray(this.offset));
    this.offset += size;
  }
}
