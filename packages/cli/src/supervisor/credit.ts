import { WINDOW_BYTES } from './runtime-protocol.ts';

/** How much a sender may send before its reader has granted more. */
export class Credit {
  #bytes = WINDOW_BYTES;
  #waiting: (() => void) | undefined;
  #isClosed = false;

  /** Takes what an item costs; waits while there is nothing left. Resolves to false when nothing is to be sent any more. */
  async take(bytes: number): Promise<boolean> {
    while (this.#bytes <= 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    this.#bytes -= bytes;
    return !this.#isClosed;
  }

  grant(bytes: number): void {
    this.#bytes = Math.min(this.#bytes + bytes, WINDOW_BYTES);
    this.#waiting?.();
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting?.();
  }
}
