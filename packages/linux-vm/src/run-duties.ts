import type { HealthStatus, ServiceSpec } from '@zlayer/runtime-core';
import type { Guest } from './guest.ts';
import { watchHealth } from './health-check.ts';
import { IdleTime } from './idle-time.ts';

export interface RunDutiesOptions {
  spec: ServiceSpec;
  guest: Guest;
  startedAt: Date | undefined;
  /** Resolves when the machine does not stand still. */
  unpaused: Promise<void>;
  isRunning(): boolean;
  onHealth(status: HealthStatus): void;
  /** The kernel has killed a process for want of memory. */
  onOom(): void;
  /** Its time is over. */
  stop(): void;
}

/** What goes on beside a run: its health is checked, its memory watched, and its time measured, until it has ended. */
export class RunDuties implements Disposable {
  readonly #over = new AbortController();
  readonly #idle: IdleTime | undefined;

  constructor({ spec, guest, startedAt, unpaused, isRunning, onHealth, onOom, stop }: RunDutiesOptions) {
    const { signal } = this.#over;
    const { healthCheck, lifecycle } = spec;
    const { maxLifetime, idleTimeout } = lifecycle;
    void watchMemory(guest, { unpaused, onOom, signal }).catch(() => {});
    if (healthCheck) {
      onHealth('starting');
      void watchHealth(healthCheck, { guest, isRunning, report: onHealth, signal });
    }
    if (maxLifetime !== undefined) {
      const ran = Date.now() - (startedAt?.getTime() ?? Date.now());
      const timer = setTimeout(stop, Math.max(0, maxLifetime - ran));
      signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    }
    if (idleTimeout !== undefined) this.#idle = new IdleTime(idleTimeout, stop);
  }

  /** Somebody uses the container until the result is called: it is not idle. */
  use(): () => void {
    return this.#idle?.use() ?? (() => {});
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    this.#idle?.[Symbol.dispose]();
  }
}

/** Kills for want of memory, also of processes that the workload survives. */
async function watchMemory(
  guest: Guest,
  { unpaused, onOom, signal }: Pick<RunDutiesOptions, 'unpaused' | 'onOom'> & { signal: AbortSignal },
): Promise<void> {
  await unpaused;
  for await (const event of await guest.machine.agent.watch({ signal })) {
    if (event.type === 'OomKilled' && !signal.aborted) onOom();
  }
}
