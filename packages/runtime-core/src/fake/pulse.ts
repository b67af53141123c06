/** Wakes everybody who waits for a change. */
export class Pulse {
  #next = Promise.withResolvers<void>();

  /** Resolves at the next `beat`. */
  wait(): Promise<void> {
    return this.#next.promise;
  }

  beat(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }
}
