import { randomUUID } from 'node:crypto';
import { EventJournal, type JournalEntry, type ReadJournalOptions } from '@zlayer/host';
import { containerIdSchema, EventBroadcast, type EventOptions, type RuntimeEvent } from '@zlayer/runtime-core';

/**
 * What happens to the containers of a data directory. Events of this process reach its readers at once; through the
 * journal on disk they reach other processes, and theirs come here.
 */
export class RuntimeEvents {
  /** Names this process's events in the journal. */
  readonly #source = randomUUID();
  readonly #journal: EventJournal;
  readonly #own = new EventBroadcast<RuntimeEvent>();
  readonly #all = new EventBroadcast<RuntimeEvent>();
  readonly #closing = new AbortController();
  #isFollowing = false;

  constructor(directory: string) {
    this.#journal = new EventJournal({ directory });
  }

  emit(event: RuntimeEvent): void {
    const { time, ...rest } = event;
    this.#own.emit(event);
    this.#all.emit(event);
    this.#journal.append({ source: this.#source, time, event: rest });
  }

  read({ since, until, own = false, signal }: EventOptions): AsyncIterable<RuntimeEvent> {
    if (since || until) return this.#recorded({ since, until, signal }, own);
    if (own) return this.#own.read({ signal });
    this.#follow();
    return this.#all.read({ signal });
  }

  /** Ends all readers. */
  async close(): Promise<void> {
    this.#own.close();
    this.#all.close();
    this.#closing.abort();
    // An event that cannot be recorded is no reason to fail: whoever wants it from the disk does not find it there.
    await this.#journal.flush().catch(() => {});
  }

  /** Hands on what other processes report, from the first time that somebody wants it. */
  #follow(): void {
    if (this.#isFollowing || this.#closing.signal.aborted) return;
    const entries = this.#journal.read({ signal: this.#closing.signal });
    this.#isFollowing = true;
    const forward = async (): Promise<void> => {
      for await (const entry of entries) {
        const event = entry.source === this.#source ? undefined : eventOf(entry);
        if (event) this.#all.emit(event);
      }
    };
    forward().catch((error: unknown) => {
      this.#isFollowing = false;
      if (!this.#closing.signal.aborted) this.#all.fail(error);
    });
  }

  /** What the journal has, of this process too: nothing is told twice, nothing is left out between past and present. */
  #recorded({ signal, ...options }: ReadJournalOptions, own: boolean): AsyncIterable<RuntimeEvent> {
    const closing = this.#closing.signal;
    const end = signal ? AbortSignal.any([signal, closing]) : closing;
    const entries = this.#journal.read({ ...options, signal: end })[Symbol.asyncIterator]();
    // What this process has told before the call is there, however slow the disk and however near the end.
    const written = this.#journal.flush().catch(() => {});
    const next = async (): Promise<IteratorResult<RuntimeEvent, undefined>> => {
      await written;
      try {
        for (let item = await entries.next(); !item.done; item = await entries.next()) {
          const event = own && item.value.source !== this.#source ? undefined : eventOf(item.value);
          if (event) return { done: false, value: event };
        }
      } catch (error) {
        if (!closing.aborted || signal?.aborted) throw error;
      }
      return { done: true, value: undefined };
    };
    // Not a generator: one that was never begun would leave the journal open.
    const leave = async (): Promise<IteratorResult<RuntimeEvent, undefined>> => {
      await entries.return?.();
      return { done: true, value: undefined };
    };
    return { [Symbol.asyncIterator]: () => ({ next, return: leave }) };
  }
}

/** An event as the journal has it; `undefined` for what no event of a runtime can be. */
function eventOf({ time, event }: JournalEntry): RuntimeEvent | undefined {
  if (typeof event !== 'object' || event === null) return undefined;
  const { type, container } = event as { type?: unknown; container?: unknown };
  if (typeof type !== 'string' || typeof container !== 'object' || container === null) return undefined;
  const { instance, ...id } = container as { instance?: unknown };
  if (typeof instance !== 'string' || !containerIdSchema.safeParse(id).success) return undefined;
  return { ...event, time } as RuntimeEvent;
}
