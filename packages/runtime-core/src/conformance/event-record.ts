import { type ContainerStatus, STATE_TRANSITIONS } from '../container-state.ts';
import type { RuntimeEvent } from '../events.ts';
import type { Runtime } from '../runtime.ts';

/** Everything that a runtime reports from the beginning to the end of the suite. */
export class EventRecord {
  readonly events: RuntimeEvent[] = [];
  /** Resolves when the runtime has closed its events; rejects when it failed to report. */
  readonly ended: Promise<void>;
  #arrival = Promise.withResolvers<void>();

  constructor(runtime: Runtime) {
    this.ended = this.#read(runtime.events());
    this.ended.catch(() => {});
  }

  of(instance: string | undefined): RuntimeEvent[] {
    return this.events.filter(({ container }) => container.instance === instance);
  }

  /** Resolves when the runtime has reported something more. */
  async next(): Promise<void> {
    await this.#arrival.promise;
  }

  /** Resolves when an event of the instance was reported that is meant. */
  async matches(instance: string, isMeant: (event: RuntimeEvent) => boolean): Promise<void> {
    while (!this.of(instance).some(isMeant)) await this.next();
  }

  /** Resolves when so many such events of the instance were reported. */
  async counts(instance: string, type: RuntimeEvent['type'], count: number): Promise<void> {
    while (this.of(instance).filter((event) => event.type === type).length < count) await this.next();
  }

  /** Resolves when such an event of the instance was reported. */
  async shows(instance: string, type: RuntimeEvent['type']): Promise<void> {
    await this.counts(instance, type, 1);
  }

  /** Resolves when the instance was reported to have come into this state. */
  async status(instance: string, status: ContainerStatus): Promise<void> {
    while (!this.statuses(instance).includes(status)) await this.#arrival.promise;
  }

  statuses(instance: string | undefined): ContainerStatus[] {
    return this.of(instance).flatMap((event) => (event.type === 'state' ? [event.state.status] : []));
  }

  /** Each change of state that `STATE_TRANSITIONS` does not know, as `instance: from -> to`. */
  illegalTransitions(): string[] {
    return [...new Set(this.events.map(({ container }) => container.instance))].flatMap((instance) => {
      let from: ContainerStatus = 'pending';
      return this.statuses(instance).flatMap((to) => {
        const legal = STATE_TRANSITIONS[from].includes(to) || (from === 'pending' && to === 'pending');
        const change = `${instance}: ${from} -> ${to}`;
        from = to;
        return legal ? [] : [change];
      });
    });
  }

  async #read(events: AsyncIterable<RuntimeEvent>): Promise<void> {
    for await (const event of events) {
      this.events.push(event);
      this.#arrival.resolve();
      this.#arrival = Promise.withResolvers();
    }
  }
}
