import { StartFailedError } from './errors.ts';

/** The starts of one container that wait for their turn or are under way, and are given up by a stop or a removal. */
export class PendingStarts {
  readonly #starts = new Set<AbortController>();

  /** Runs a start. Its signal is aborted by `giveUp`, and by the caller's. */
  async run<T>(start: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const pending = new AbortController();
    this.#starts.add(pending);
    try {
      return await start(signal ? AbortSignal.any([signal, pending.signal]) : pending.signal);
    } finally {
      this.#starts.delete(pending);
    }
  }

  /** Aborts all of them with `START_FAILED`, which names the container. */
  giveUp(container: string): void {
    const reason = new StartFailedError(`the start of ${container} was given up: it was stopped`, {
      subject: container,
    });
    for (const start of this.#starts) start.abort(reason);
  }
}
