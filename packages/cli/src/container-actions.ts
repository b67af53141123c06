import { formatContainerId, type RuntimeEvent } from '@zlayer/runtime-core';

/** An event in Docker's words. */
export interface ContainerAction {
  action: string;
  attributes: Readonly<Record<string, string | number>>;
}

/** Puts events into Docker's words. Some of them have none: what only leads to another is not told there. */
export class ContainerActions {
  /** Instances that stand still: their next run is no start. */
  readonly #paused = new Set<string>();

  /** To be called with every event, in order. */
  of(event: RuntimeEvent): ContainerAction | undefined {
    switch (event.type) {
      case 'created':
        return { action: 'create', attributes: {} };
      case 'state':
        return this.#ofState(event.container.instance, event.state.status);
      case 'exited': {
        const { exitCode } = event.result;
        const reason = event.result.reason === 'runtime-error' ? { reason: event.result.message } : {};
        return { action: 'die', attributes: { ...(exitCode === undefined ? {} : { exitCode }), ...reason } };
      }
      case 'health':
        return event.status === 'starting' ? undefined : { action: `health_status: ${event.status}`, attributes: {} };
      case 'restarting':
        return { action: 'restarting', attributes: { attempt: event.attempt, delayMs: event.delayMs } };
      case 'warning':
        return { action: 'warning', attributes: { message: event.message } };
      case 'renamed':
        return { action: 'rename', attributes: { oldName: formatContainerId(event.from) } };
      case 'removed':
        this.#paused.delete(event.container.instance);
        return { action: 'destroy', attributes: {} };
      case 'oom':
        return { action: 'oom', attributes: {} };
    }
  }

  #ofState(instance: string, status: string): ContainerAction | undefined {
    const wasPaused = this.#paused.delete(instance);
    if (status === 'paused') this.#paused.add(instance);
    const action = { paused: 'pause', running: wasPaused ? 'unpause' : 'start' }[status];
    return action === undefined ? undefined : { action, attributes: {} };
  }
}
