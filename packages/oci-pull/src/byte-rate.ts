/** How fast a blob moves. */
export class ByteRate {
  readonly #began = performance.now();

  /** Bytes a second on average since the beginning; 0 for what did not move. */
  of(bytes: number): number {
    const seconds = (performance.now() - this.#began) / 1000;
    return bytes > 0 && seconds > 0 ? Math.round(bytes / seconds) : 0;
  }
}
