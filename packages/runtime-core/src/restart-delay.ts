import type { ExitResult } from './container-state.ts';
import type { ServiceSpec } from './service-spec.ts';

const LONGEST_MS = 60_000;
/** A run that lasted this long was a good one: the pauses begin anew. */
const GOOD_RUN_MS = 10_000;

/** The spec's restart policy. */
export type RestartRule = ServiceSpec['lifecycle']['restart'];

/** A run that has ended without anybody having asked for it. */
export interface EndedRun {
  result: ExitResult;
  /** How long it ran, in milliseconds. */
  ranMs: number;
  /** Restarts before this run since the last good one, or since somebody started the container. */
  restarts: number;
}

/**
 * The pause before a container is started again, in milliseconds; `undefined` when it is left alone. Each pause is twice
 * the one before, up to a minute. A run whose end is unknown is a failure. For authors of runtimes, who do not ask after
 * a stop or a removal: what somebody has stopped stays so.
 */
export function restartDelay(
  { policy, maxRetries = Number.POSITIVE_INFINITY, backoff }: RestartRule,
  run: EndedRun,
): number | undefined {
  const restarts = effectiveRestarts(run);
  if (policy === 'no') return undefined;
  if (policy === 'on-failure' && (run.result.exitCode === 0 || restarts >= maxRetries)) return undefined;
  return Math.min(backoff * 2 ** Math.min(restarts, 30), Math.max(backoff, LONGEST_MS));
}

/** How many restarts count, after a run: none after one that lasted 10 s. */
export function effectiveRestarts({ ranMs, restarts }: Pick<EndedRun, 'ranMs' | 'restarts'>): number {
  return ranMs >= GOOD_RUN_MS ? 0 : restarts;
}
