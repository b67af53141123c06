const TICK_MS = 5000;
const TICKS_PER_SYNC = 12;
/** More than this between the clocks of a tick, and the host has slept or somebody has set its clock. */
const JUMP_MS = 1000;

export interface ClockKeeperOptions {
  /** How often the clocks are compared, in milliseconds; every twelfth time the guests' are set. Default: 5000. */
  tickMs?: number | undefined;
  /** The wall clock, in milliseconds. Default: `Date.now`. */
  now?: (() => number) | undefined;
}

/**
 * Keeps the clocks of guests right: every minute, and at once when the host's own has jumped, as it does by sleeping.
 */
export class ClockKeeper implements Disposable {
  readonly #sync: () => void;
  readonly #tickMs: number;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;

  constructor(sync: () => void, { tickMs = TICK_MS, now = Date.now }: ClockKeeperOptions = {}) {
    this.#sync = sync;
    this.#tickMs = tickMs;
    this.#now = now;
  }

  /** Begins with the first guest there is. */
  start(): void {
    if (this.#timer !== undefined) return;
    let ticks = 0;
    let before = this.#offset();
    this.#timer = setInterval(() => {
      const offset = this.#offset();
      ticks += 1;
      const hasJumped = Math.abs(offset - before) > JUMP_MS;
      before = offset;
      if (hasJumped || ticks % TICKS_PER_SYNC === 0) this.#sync();
    }, this.#tickMs);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** What the wall clock is ahead of the monotonic one, which stands still while the host sleeps. */
  #offset(): number {
    return this.#now() - performance.now();
  }
}
