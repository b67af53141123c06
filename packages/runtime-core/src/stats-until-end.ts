import { setTimeout as delay } from 'node:timers/promises';
import type { Cancellable } from './cancellable.ts';
import { type ContainerState, isActive } from './container-state.ts';
import type { ContainerStats } from './stats.ts';

const DEFAULT_INTERVAL_MS = 1000;

/** A container whose figures are taken. */
export interface MeasuredContainer {
  measure(): Promise<ContainerStats>;
  /** How it is now. Rejects when it is gone. */
  state(): Promise<ContainerState>;
  /** Settles at its next end, and when the signal is aborted. */
  nextEnd(signal: AbortSignal): Promise<unknown>;
}

/** What `statsStream` gives: a sample now and one each interval, until the container has ended. For authors of runtimes. */
export async function* statsUntilEnd(
  container: MeasuredContainer,
  { intervalMs = DEFAULT_INTERVAL_MS, signal }: Cancellable & { intervalMs?: number | undefined } = {},
): AsyncGenerator<ContainerStats, void> {
  signal?.throwIfAborted();
  const over = new AbortController();
  const wait = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
  const end = container.nextEnd(wait).then(
    () => 'ended',
    () => 'ended',
  );
  try {
    yield await container.measure();
    for (;;) {
      const tick = delay(intervalMs, 'tick', { signal: wait }).catch(() => 'aborted');
      const next = await Promise.race([end, tick]);
      signal?.throwIfAborted();
      if (next === 'ended') return;
      const { status } = await container.state();
      if (!isActive(status)) return;
      // One that stands still, or is about to end, has no figures.
      if (status !== 'running') continue;
      try {
        yield await container.measure();
      } catch (error) {
        if (isActive((await container.state()).status)) throw error;
        return;
      }
    }
  } finally {
    over.abort();
  }
}
