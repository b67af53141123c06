import { setTimeout as delay } from 'node:timers/promises';
import type { HealthStatus } from '../events.ts';
import { HealthTracker } from '../health-tracker.ts';
import type { ServiceSpec } from '../service-spec.ts';

type HealthCheck = NonNullable<ServiceSpec['healthCheck']>;

/** Checks again and again until it is aborted, and reports what has changed. `probe` gives up when its signal says so. */
export async function watchHealth(
  check: HealthCheck,
  {
    probe,
    report,
    signal,
  }: {
    probe: (signal: AbortSignal) => Promise<boolean>;
    report: (status: HealthStatus) => void;
    signal: AbortSignal;
  },
): Promise<void> {
  const tracker = new HealthTracker(check);
  const began = performance.now();
  while (!signal.aborted) {
    await delay(check.interval, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const sinceStart = performance.now() - began;
    const tooLong = AbortSignal.timeout(check.timeout);
    const good = await probe(AbortSignal.any([signal, tooLong])).catch(() => false);
    if (signal.aborted) return;
    const changed = tracker.record(good && !tooLong.aborted, sinceStart);
    if (changed !== undefined) report(changed);
  }
}
