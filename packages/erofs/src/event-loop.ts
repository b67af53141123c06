import { setImmediate as nextTurn } from 'node:timers/promises';

const STEPS = 2048;

/** Lets the rest of the process have its turn now and then during long work. */
export class Pacer {
  readonly #atATime: number;
  #steps = 0;

  /** @param atATime Steps between two turns. */
  constructor(atATime = STEPS) {
    this.#atATime = atATime;
  }

  /** Counts steps of the work; a promise is to be waited for before it goes on. */
  step(): Promise<void> | undefined {
    this.#steps += 1;
    return this.#steps % this.#atATime === 0 ? nextTurn() : undefined;
  }
}
