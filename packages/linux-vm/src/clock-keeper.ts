const TICK_MS = 5000;
const TICKS_PER_SYNC = 12;
/** More than this between the clocks of a tick, or too late for one, and the host has slept or its clock was set. */
const JUMP_MS = 1000;

export interface ClockKeeperOptions {
  /** How often the clocks are compared, in milliseconds; every twelfth time the guests' are set. Default: 5000. */
  tickMs?: number | undefined;
  /** The wall clock, in milliseconds. Default: `Date.now`. */
  wall?: (() => number) | undefined;
  /** A clock that nobody can set, in milliseconds. Default: `performance.now`. */
  monotonic?: (() => number) | undefined;
}

/**
 * Keeps the clocks of guests right: every minute, and at once when the host's own has jumped, as it does by sleeping.
 */
export class ClockKeeper implements Disposable {
  readonly #sync: () => void;
  readonly #tickMs: number;
  readonly #wall: () => number;
  readonly #monotonic: () => number;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    sync: () => void,
    { tickMs = TICK_MS, wall = Date.now, monotonic = () => performance.now() }: ClockKeeperOptions = {},
  ) {
    this.#sync = sync;
    this.#tickMs = tickMs;
    this.#wall = wall;
    this.#monotonic = monotonic;
  }

  /** Begins with the first guest there is. */
  start(): void {
    if (this.#timer !== undefined) return;
    let ticks = 0;
    let before = this.#read();
    this.#timer = setInterval(() => {
      const now = this.#read();
      ticks += 1;
      const wallMs = now.wall - before.wall;
      const monotonicMs = now.monotonic - before.monotonic;
      before = now;
      // Asleep, Linux stops the monotonic clock, and Node's on macOS goes on: there the tick alone is late.
      const hasJumped = Math.abs(wallMs - monotonicMs) > JUMP_MS || monotonicMs > this.#tickMs + JUMP_MS;
      if (hasJumped || ticks % TICKS_PER_SYNC === 0) this.#sync();
    }, this.#tickMs);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #read(): { wall: number; monotonic: number } {
    return { wall: this.#wall(), monotonic: this.#monotonic() };
  }
}
