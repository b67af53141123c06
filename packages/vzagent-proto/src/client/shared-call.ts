import { abortable } from '@zlayer/runtime-core';

/** Work that is done once for all who ask for it meanwhile, and given up when none of them waits any more. */
export class SharedCall<T> {
  readonly #work: (signal: AbortSignal) => Promise<T>;
  #running: { promise: Promise<T>; controller: AbortController; waiting: number } | undefined;

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#work = work;
  }

  async join(signal: AbortSignal): Promise<T> {
    this.#running ??= this.#begin();
    const running = this.#running;
    running.waiting++;
    try {
      return await abortable(running.promise, signal);
    } finally {
      running.waiting--;
      if (running.waiting === 0) {
        this.#running = undefined;
        running.controller.abort();
      }
    }
  }

  #begin(): { promise: Promise<T>; controller: AbortController; waiting: number } {
    const controller = new AbortController();
    const promise = this.#work(controller.signal);
    promise.catch(() => {});
    return { promise, controller, waiting: 0 };
  }
}
