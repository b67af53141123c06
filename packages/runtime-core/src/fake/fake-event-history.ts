import { EventBroadcast } from '../event-broadcast.ts';
import type { EventOptions, RuntimeEvent } from '../events.ts';

/** How many events are remembered. */
const CAPACITY = 10_000;

/** Hands out events, and remembers them. */
export class FakeEventHistory {
  readonly #past: RuntimeEvent[] = [];
  readonly #broadcast = new EventBroadcast<RuntimeEvent>();

  emit(event: RuntimeEvent): void {
    this.#past.push(event);
    if (this.#past.length > CAPACITY) this.#past.shift();
    this.#broadcast.emit(event);
  }

  close(): void {
    this.#broadcast.close();
  }

  read({ since, until, signal }: EventOptions): AsyncIterable<RuntimeEvent> {
    const past = since ? this.#past.filter(({ time }) => time >= since && (!until || time < until)) : [];
    if (!since && !until) return this.#broadcast.read({ signal });
    const over = new AbortController();
    const timer = until && setTimeout(() => over.abort(), Math.max(until.getTime() - Date.now(), 0));
    const live = this.#broadcast.read({ signal: signal ? AbortSignal.any([signal, over.signal]) : over.signal });
    return (async function* () {
      try {
        yield* past;
        for await (const event of live) if (!until || event.time < until) yield event;
      } catch (error) {
        if (!over.signal.aborted) throw error;
      } finally {
        clearTimeout(timer);
      }
    })();
  }
}
