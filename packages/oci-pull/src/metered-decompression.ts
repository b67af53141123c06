import { decompress } from './decompress.ts';
import type { UnpackBudget } from './unpack-budget.ts';

/**
 * Decompresses a stream within a budget: of bytes in all, and of bytes for each compressed one. Chunks are valid as those
 * of {@link decompress} are.
 *
 * @throws {EntryError} `LIMIT_EXCEEDED`
 */
export async function* decompressWithin(
  source: AsyncIterable<Uint8Array>,
  budget: UnpackBudget,
): AsyncGenerator<Uint8Array, void, undefined> {
  const compressed = new CountedBytes(source);
  let bytes = 0;
  for await (const chunk of decompress(compressed)) {
    budget.spendBytes(chunk.length);
    bytes += chunk.length;
    budget.checkRatio(compressed.count, bytes);
    yield chunk;
  }
}

class CountedBytes implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  count = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of this.#source) {
      this.count += chunk.length;
      yield chunk;
    }
  }
}
