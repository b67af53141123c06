import type { Cancellable } from './cancellable.ts';
import { ZlayerError } from './errors.ts';

/** How many events wait for a reader before it is given up as too slow. */
const CAPACITY = 10_000;

interface Reader<T> {
  queue: T[];
  failure: unknown;
  /** It wants no more. */
  left: boolean;
  wake: () => void;
}

/** Hands each event to every reader there is, in order. A reader has the events from the moment of its `read` call on. */
export class EventBroadcast<T> {
  readonly #readers = new Set<Reader<T>>();
  #closed = false;

  emit(event: T): void {
    for (const reader of this.#readers) {
      if (reader.queue.length < CAPACITY) reader.queue.push(event);
      else reader.failure ??= new ZlayerError('INTERNAL', `${CAPACITY} events were not read in time`);
      reader.wake();
    }
  }

  /** Ends the readers that there are with an error, once they have read what is there. */
  fail(error: unknown): void {
    for (const reader of this.#readers) {
      reader.failure ??= error;
      reader.wake();
    }
  }

  /** Ends every reader once it has read what is there. */
  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.wake();
  }

  /** @throws ZlayerError `INTERNAL`, while reading, when 10 000 events wait; the signal's reason when it was aborted. */
  read({ signal }: Cancellable = {}): AsyncIterable<T> {
    const reader: Reader<T> = { queue: [], failure: undefined, left: false, wake: () => {} };
    this.#readers.add(reader);
    const events = this.#iterate(reader, signal);
    // A generator that was never begun runs no `finally`, so leaving is dealt with here as well.
    const leave = (): Promise<IteratorResult<T>> => {
      this.#readers.delete(reader);
      reader.left = true;
      reader.wake();
      return events.return();
    };
    const iterator: AsyncIterableIterator<T> = {
      next: () => events.next(),
      return: leave,
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  async *#iterate(reader: Reader<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void> {
    const wake = (): void => reader.wake();
    signal?.addEventListener('abort', wake);
    try {
      for (;;) {
        signal?.throwIfAborted();
        const event = reader.queue.shift();
        if (event !== undefined) {
          yield event;
          continue;
        }
        if (reader.failure !== undefined) throw reader.failure;
        if (this.#closed || reader.left) return;
        await new Promise<void>((resolve) => {
          reader.wake = resolve;
        });
      }
    } finally {
      signal?.removeEventListener('abort', wake);
      this.#readers.delete(reader);
    }
  }
}
