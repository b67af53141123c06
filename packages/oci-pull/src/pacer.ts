import { setImmediate as nextTurn } from 'node:timers/promises';

const stepsAtATime = 2048;

/** Lets the rest of the process have its turn now and then during long work. */
export class Pacer {
  #steps = 0;

  /** Counts steps of the work; a promise is to be waited for before it goes on. */
  step(): Promise<void> | undefined {
    this.#steps += 1;
    return this.#steps % stepsAtATime === 0 ? nextTurn() : undefined;
  }
}
