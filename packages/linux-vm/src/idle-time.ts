/** Calls back once when nobody has used something for a while. What is in use is not idle. */
export class IdleTime implements Disposable {
  readonly #timeoutMs: number;
  readonly #onIdle: () => void;
  #timer: NodeJS.Timeout | undefined;
  #users = 0;

  constructor(timeoutMs: number, onIdle: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#onIdle = onIdle;
    this.#restart();
  }

  /** Somebody uses it, until the result is called. */
  use(): () => void {
    let isOver = false;
    this.#users += 1;
    clearTimeout(this.#timer);
    return () => {
      if (isOver) return;
      isOver = true;
      this.#users -= 1;
      if (this.#users === 0) this.#restart();
    };
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#users = Number.POSITIVE_INFINITY;
  }

  #restart(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onIdle, this.#timeoutMs);
  }
}
