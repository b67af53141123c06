const NOTHING = Buffer.alloc(0);

/** The beginning of a line whose end has not come yet, and where its bytes lay in the output. */
export class UnfinishedLine {
  bytes: Buffer = NOTHING;
  /** Consecutive pieces of it; other streams' output may lie between them. */
  #pieces: { length: number; offset: number }[] = [];

  /** Where its first byte lay in the output, as far as that is known. */
  get offset(): number | undefined {
    return this.#pieces[0]?.offset;
  }

  /** Adds bytes to it, and leaves all that it has then to be divided: `drop` takes away what has been used. */
  add(chunk: Uint8Array, offset: number | undefined): Buffer {
    this.bytes =
      this.bytes.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : concat(this, chunk);
    const last = this.#pieces.at(-1);
    if (offset === undefined || chunk.length === 0) return this.bytes;
    if (last !== undefined && last.offset + last.length === offset) last.length += chunk.length;
    else this.#pieces.push({ length: chunk.length, offset });
    return this.bytes;
  }

  /** Takes away its first bytes. What is left is a copy, so that a few bytes do not hold on to a large chunk. */
  drop(count: number): void {
    this.bytes = count === this.bytes.length ? NOTHING : Buffer.from(this.bytes.subarray(count));
    let rest = count;
    while (rest > 0) {
      const [first] = this.#pieces;
      if (first === undefined) return;
      const taken = Math.min(rest, first.length);
      first.length -= taken;
      first.offset += taken;
      rest -= taken;
      if (first.length === 0) this.#pieces.shift();
    }
  }
}

function concat(line: UnfinishedLine, chunk: Uint8Array): Buffer {
  return Buffer.concat([line.bytes, chunk]);
}
