import type { ExitResult } from './container-state.ts';
import type { PendingStarts } from './pending-starts.ts';
import { effectiveRestarts, type RestartRule, restartDelay } from './restart-delay.ts';

/** How often a container was started again. */
export interface RestartCounts {
  /** Since somebody started it. */
  restarts: number;
  /** Since the last run that went well. */
  failedRuns: number;
}

/** What a {@link RestartPlan} acts on. */
export interface RestartPlanOptions {
  rule: RestartRule;
  /** Where another process has left off. Default: none. */
  counts?: RestartCounts | undefined;
  /** A restart that is under way is given up with the container's other starts. */
  starts: PendingStarts;
  /** Carries something out when the changes of the container that came before it are done. */
  inTurn(task: () => Promise<void>): Promise<void>;
  /** Told of each restart when it is planned, `delayMs` before it; the counts have it already. */
  announce(attempt: number, delayMs: number): void;
  launch(signal: AbortSignal): Promise<unknown>;
}

/**
 * Starts a container again when its policy says so, after the pauses of {@link restartDelay}; a start that fails counts as a
 * run. For authors of runtimes, who tell it of every end that nobody has asked for, and call `forget` in every change
 * that makes a planned restart void.
 */
export class RestartPlan {
  readonly #options: RestartPlanOptions;
  #counts: RestartCounts;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RestartPlanOptions) {
    this.#options = options;
    const { restarts, failedRuns } = options.counts ?? NONE;
    this.#counts = { restarts, failedRuns };
  }

  /** How often it was started again by now. */
  get counts(): RestartCounts {
    return this.#counts;
  }

  /** Somebody starts the container: nothing is planned, and the counts begin anew. */
  reset(): void {
    this.forget();
    this.#counts = NONE;
  }

  /** Nothing is planned any more. */
  forget(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** A run has ended that began at this time; `undefined` when it has not begun. */
  ended(result: ExitResult, startedAt: Date | undefined): void {
    const ranMs = startedAt === undefined ? 0 : Date.now() - startedAt.getTime();
    const { restarts, failedRuns } = this.#counts;
    const delayMs = restartDelay(this.#options.rule, { result, ranMs, restarts: failedRuns });
    if (delayMs === undefined) return;
    this.#counts = { restarts, failedRuns: effectiveRestarts({ ranMs, restarts: failedRuns }) };
    this.#plan(delayMs);
  }

  /** Nobody was there when the last run ended, or after it: `always` starts again even what somebody has stopped. */
  endedUnattended({
    exit,
    startedAt,
    stopped,
  }: {
    exit?: ExitResult | undefined;
    startedAt?: Date | undefined;
    /** Somebody has stopped it. */
    stopped: boolean;
  }): void {
    if (this.#timer !== undefined) return;
    const { policy } = this.#options.rule;
    if (policy === 'always' || (policy === 'unless-stopped' && !stopped)) this.#plan(0);
    else if (policy === 'on-failure' && !stopped && exit !== undefined) this.ended(exit, startedAt);
  }

  #plan(delayMs: number): void {
    const { restarts, failedRuns } = this.#counts;
    this.#counts = { restarts: restarts + 1, failedRuns: failedRuns + 1 };
    this.#options.announce(restarts + 1, delayMs);
    const timer = setTimeout(() => void this.#options.inTurn(() => this.#restart(timer)), delayMs);
    this.#timer = timer;
  }

  async #restart(timer: NodeJS.Timeout): Promise<void> {
    // A stop, a start or a removal came in between.
    if (this.#timer !== timer) return;
    this.forget();
    await this.#options.starts.run(async (signal) => {
      try {
        await this.#options.launch(signal);
      } catch (error) {
        if (signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        this.ended({ reason: 'runtime-error', exitCode: undefined, message }, undefined);
      }
    });
  }
}

const NONE: RestartCounts = { restarts: 0, failedRuns: 0 };
