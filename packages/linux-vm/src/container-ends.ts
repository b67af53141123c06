import { abortable, type ExitResult, type WaitOptions } from '@zlayer/runtime-core';

const REMOVED = { reason: 'runtime-error', exitCode: undefined, message: 'the container was removed' } as const;

/** The ends of one container's runs, and its own, for those who wait for them. */
export class ContainerEnds {
  /** How the present run ends, or the last one ended. */
  #present: PromiseWithResolvers<ExitResult> = Promise.withResolvers();
  /** How the run ends that ends next. */
  #next: PromiseWithResolvers<ExitResult> = Promise.withResolvers();
  readonly #removed: PromiseWithResolvers<ExitResult> = Promise.withResolvers();

  /** How the present run ends, or the last one ended. */
  get present(): Promise<ExitResult> {
    return this.#present.promise;
  }

  async wait({ condition = 'not-running', signal }: WaitOptions): Promise<ExitResult> {
    const ends = { 'not-running': this.#present, 'next-exit': this.#next, removed: this.#removed };
    return await abortable(ends[condition].promise, signal);
  }

  /** A further run begins: who waits from here on waits for its end. */
  again(): void {
    this.#present = Promise.withResolvers();
  }

  runEnded(result: ExitResult): void {
    this.#present.resolve(result);
    this.#next.resolve(result);
    this.#next = Promise.withResolvers();
  }

  /** The container is gone; `exit` is how its last run has ended. */
  removed(exit: ExitResult | undefined): void {
    this.#present.resolve(REMOVED);
    this.#next.resolve(REMOVED);
    this.#removed.resolve(exit ?? REMOVED);
  }

  /** Nobody here will learn of the end. */
  fail(error: Error): void {
    for (const end of [this.#present, this.#next, this.#removed]) {
      // Nobody may be waiting.
      end.promise.catch(() => {});
      end.reject(error);
    }
  }
}
