import type { HealthStatus } from './events.ts';

/** When a check counts, from the spec's health check. */
export interface HealthRule {
  /** Failures in a row that make a container unhealthy. */
  retries: number;
  /** Failures this soon after the start do not count, in milliseconds. */
  startPeriod: number;
}

/** Makes the health of a container out of its checks, by Docker's rules. For authors of runtimes. */
export class HealthTracker {
  readonly #rule: HealthRule;
  #status: HealthStatus = 'starting';
  #failures = 0;

  constructor(rule: HealthRule) {
    this.#rule = rule;
  }

  get status(): HealthStatus {
    return this.#status;
  }

  /**
   * Takes note of a check that began `sinceStartMs` after the start. One good check makes a container healthy, and ends its
   * start period. Gives the new status when it has changed.
   */
  record(good: boolean, sinceStartMs: number): HealthStatus | undefined {
    const before = this.#status;
    if (good) {
      this.#failures = 0;
      this.#status = 'healthy';
    } else if (before !== 'starting' || sinceStartMs >= this.#rule.startPeriod) {
      this.#failures += 1;
      if (this.#failures >= this.#rule.retries) this.#status = 'unhealthy';
    }
    return this.#status === before ? undefined : this.#status;
  }
}
