/** The least that a body has to bring; time in which the reader is busy with what it got does not count. */
export interface MinimumThroughput {
  /** Bytes a second, on average over a window. */
  readonly bytesPerSecond: number;
  /** Milliseconds. */
  readonly window: number;
}

interface Body extends AsyncIterable<Uint8Array> {
  destroy(error?: Error): unknown;
}

/** Reads a body, and breaks it off with an error when it is silent or trickles. */
export async function* notSlowerThan(
  body: Body,
  { bytesPerSecond, window }: MinimumThroughput,
  tooSlow: () => Error,
): AsyncGenerator<Uint8Array> {
  const enough = (bytesPerSecond * window) / 1000;
  let waited = 0;
  let bytes = 0;
  const iterator = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const began = performance.now();
      const timer = setTimeout(() => body.destroy(tooSlow()), window - waited);
      const next = await iterator.next().finally(() => clearTimeout(timer));
      if (next.done === true) return;
      waited += performance.now() - began;
      bytes += next.value.length;
      yield next.value;
      // Enough before the window is over begins a new one, so the timer only ever runs out on a body that is too slow.
      if (bytes >= enough) {
        waited = 0;
        bytes = 0;
      }
    }
  } finally {
    await iterator.return?.();
  }
}
