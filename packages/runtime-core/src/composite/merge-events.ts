import { EventBroadcast } from '../event-broadcast.ts';
import type { EventOptions, RuntimeEvent } from '../events.ts';
import type { Runtime } from '../runtime.ts';
import { isRefusal } from './refusal.ts';

/**
 * The events of several runtimes, as they arrive: those of one container stay in order.
 * Ends when all have ended. A runtime that has no events to give is left out, unless all are so.
 *
 * @throws while reading: what a runtime fails with, after the events before it; `INTERNAL` when 10 000 events wait.
 */
export function mergeEvents(
  runtimes: readonly Runtime[],
  { signal, ...options }: EventOptions = {},
): AsyncIterable<RuntimeEvent> {
  const over = new AbortController();
  const until = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
  const merged = new EventBroadcast<RuntimeEvent>();
  const reader = merged.read({ signal: until })[Symbol.asyncIterator]();
  const failures: unknown[] = [];
  const refusals: unknown[] = [];

  const forward = async (runtime: Runtime): Promise<void> => {
    let heard = false;
    try {
      for await (const event of runtime.events({ ...options, signal: until })) {
        heard = true;
        merged.emit(event);
      }
    } catch (error) {
      if (until.aborted) return;
      if (!heard && isRefusal(error)) {
        refusals.push(error);
        return;
      }
      failures.push(error);
      merged.close();
    }
  };
  void Promise.all(runtimes.map(forward)).then(() => {
    if (refusals.length === runtimes.length) failures.push(refusals[0]);
    merged.close();
  });

  const done = { done: true, value: undefined } as const;
  const next = async (): Promise<IteratorResult<RuntimeEvent, undefined>> => {
    if (over.signal.aborted) return done;
    try {
      const result = await reader.next();
      if (!result.done) return result;
    } catch (error) {
      // Ended by the reader itself, while it waited.
      if (over.signal.aborted) return done;
      over.abort();
      throw error;
    }
    over.abort();
    if (failures.length > 0) throw failures[0];
    return done;
  };
  const end = async (): Promise<IteratorResult<RuntimeEvent, undefined>> => {
    over.abort();
    return done;
  };
  return { [Symbol.asyncIterator]: () => ({ next, return: end }) };
}
