/**
 * Reads a stream of chunks in pieces of other sizes, copying only what crosses the border of two chunks. A chunk may
 * become invalid when the next one is asked for, and so may pieces of it.
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #buffer: Buffer = Buffer.alloc(0);
  #offset = 0;
  #isCutOff = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Whether the stream ended in the middle of what {@link exactly} was asked for. */
  get isCutOff(): boolean {
    return this.#isCutOff;
  }

  /** Takes what is at hand, up to a number of bytes; undefined if nothing is. */
  take(maximum: number): Buffer | undefined {
    const count = Math.min(maximum, this.#available);
    return count === 0 ? undefined : this.#consume(count);
  }

  /** Takes a number of bytes if they are at hand. */
  takeExactly(count: number): Buffer | undefined {
    return this.#available < count ? undefined : this.#consume(count);
  }

  /** Takes a number of bytes, waiting for them; undefined if the stream ends before. */
  async exactly(count: number): Promise<Buffer | undefined> {
    const atHand = this.takeExactly(count);
    if (atHand !== undefined) return atHand;
    const pieces: Buffer[] = [];
    for (let missing = count; missing > 0; ) {
      const piece = this.take(missing);
      if (piece !== undefined) {
        pieces.push(Buffer.from(piece));
        missing -= piece.length;
      } else if (!(await this.more())) {
        this.#isCutOff = missing < count;
        return undefined;
      }
    }
    return Buffer.concat(pieces);
  }

  /** Waits for more bytes when nothing is at hand; false at the end of the stream. */
  async more(): Promise<boolean> {
    while (this.#available === 0) {
      const { value, done } = await this.#source.next();
      if (done === true) return false;
      this.#buffer = Buffer.from(value.buffer, value.byteOffset, value.length);
      this.#offset = 0;
    }
    return true;
  }

  get #available(): number {
    return this.#buffer.length - this.#offset;
  }

  #consume(count: number): Buffer {
    const bytes = this.#buffer.subarray(this.#offset, this.#offset + count);
    this.#offset += count;
    return bytes;
  }
}
