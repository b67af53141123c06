import { mkdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Cancellable } from '@zlayer/runtime-core';
import type { JournalEntry } from './journal-entry.ts';
import { CURRENT, JournalFile, PREVIOUS } from './journal-file.ts';

export interface ReadJournalOptions extends Cancellable {
  /** Also what has happened since then, as far as it is kept. Default: what is written from the call on. */
  since?: Date | undefined;
  /** Nothing that happens from then on; the reading ends then. Default: it goes on until the signal. */
  until?: Date | undefined;
}

/** Reads a journal: open from the call on. It ends by its `until`, or with the reason of its signal. */
export function readJournal(directory: string, options: ReadJournalOptions): AsyncIterableIterator<JournalEntry> {
  options.signal?.throwIfAborted();
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const reading = new JournalReading(directory, options.since);
  const entries = follow(reading, options);
  const iterator: AsyncIterableIterator<JournalEntry> = {
    next: () => entries.next(),
    // A generator that was never begun runs no `finally`.
    return: async () => {
      reading[Symbol.dispose]();
      return await entries.return();
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}

async function* follow(
  reading: JournalReading,
  { since, until, signal }: ReadJournalOptions,
): AsyncGenerator<JournalEntry, void> {
  using _ = reading;
  const wake = (): void => reading.wake();
  signal?.addEventListener('abort', wake);
  let timer: NodeJS.Timeout | undefined;
  // A timer may be a little early by the clock, and cannot be set to more than some weeks.
  const wakeAt = (moment: number): void => {
    const left = moment - Date.now();
    if (left > 0) timer = setTimeout(wakeAt, Math.min(left, MAX_TIMER_MS), moment);
    else wake();
  };
  if (until) wakeAt(until.getTime());
  try {
    for (;;) {
      const isOver = until !== undefined && Date.now() >= until.getTime();
      for (const entry of reading.entries()) {
        signal?.throwIfAborted();
        if (since && entry.time < since) continue;
        if (until && entry.time >= until) continue;
        yield entry;
        if (reading.isClosed) return;
      }
      signal?.throwIfAborted();
      if (isOver || reading.isClosed) return;
      await reading.changed();
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', wake);
  }
}

/** The longest that a timer can be set to. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The files of a journal that somebody reads, and the news that there is more in them. */
class JournalReading implements Disposable {
  readonly #path: string;
  readonly #watcher: ReturnType<typeof watch>;
  /** The one that was the current one before: what somebody was about to write to it may still come. */
  #previous: JournalFile | undefined;
  #current: JournalFile | undefined;
  #news = Promise.withResolvers<void>();
  #failure: { error: unknown } | undefined;
  isClosed = false;

  constructor(directory: string, since: Date | undefined) {
    this.#path = join(directory, CURRENT);
    this.#watcher = watch(directory, () => this.wake());
    this.#watcher.on('error', (error) => {
      this.#failure = { error };
      this.wake();
    });
    this.#current = JournalFile.open(this.#path, since ? 'beginning' : 'end');
    if (!since) return;
    // Opened last: it may have become the file that is open already.
    const previous = JournalFile.open(join(directory, PREVIOUS), 'beginning');
    if (previous && this.#current?.isSame(previous)) previous[Symbol.dispose]();
    else this.#previous = previous;
  }

  wake(): void {
    this.#news.resolve();
  }

  /** Resolves when there may be more. */
  async changed(): Promise<void> {
    await this.#news.promise;
    this.#news = Promise.withResolvers();
  }

  /** All that is there now. */
  *entries(): Generator<JournalEntry, void> {
    if (this.isClosed) return;
    if (this.#failure) throw this.#failure.error;
    if (this.#previous) yield* this.#previous.entries();
    if (this.#current) yield* this.#current.entries();
    const now = this.isClosed ? undefined : JournalFile.open(this.#path, 'beginning');
    if (!now) return;
    if (this.#current?.isSame(now)) {
      now[Symbol.dispose]();
      return;
    }
    // What came to the old one before it was put away comes first.
    if (this.#current) yield* this.#current.entries();
    this.#previous?.[Symbol.dispose]();
    this.#previous = this.#current;
    this.#current = now;
    yield* now.entries();
  }

  [Symbol.dispose](): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#watcher.close();
    for (const file of [this.#previous, this.#current]) file?.[Symbol.dispose]();
    this.wake();
  }
}
