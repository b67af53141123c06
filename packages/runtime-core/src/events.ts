import type { Cancellable } from './cancellable.ts';
import type { ContainerId } from './container-id.ts';
import type { ContainerInstance } from './container-reference.ts';
import type { ContainerState, ExitResult } from './container-state.ts';

/** What the checks of a container say: none has counted yet, the last was good, or too many in a row have failed. */
export type HealthStatus = 'starting' | 'healthy' | 'unhealthy';

/**
 * Something that happened to a container, in the order in which it happened. An end is reported as `oom` if it was one,
 * then as the change of state to `exited` or `failed`, then as `exited`; only after that are waits for it over, and
 * restarts announced.
 */
export type RuntimeEvent = { time: Date; container: ContainerInstance } & (
  | { type: 'created' }
  | { type: 'state'; state: ContainerState }
  | { type: 'exited'; result: ExitResult }
  /** The kernel ended a process because the container had used up its memory. */
  | { type: 'oom' }
  /** It changed; a start begins with `starting`. */
  | { type: 'health'; status: HealthStatus }
  /** It is started again by its restart policy, after this pause. `attempt` counts from 1 since somebody started it. */
  | { type: 'restarting'; attempt: number; delayMs: number }
  /**
   * Something that somebody should be told, though it goes on: what a start could not give in full, a port that was taken
   * by somebody else until the container was found again. `message` is for people.
   */
  | { type: 'warning'; message: string }
  /** It has another id now: `container` is the new one. */
  | { type: 'renamed'; from: ContainerId }
  | { type: 'removed' }
);

/** The kinds of {@link RuntimeEvent}. */
export type RuntimeEventType = RuntimeEvent['type'];

/** Options of `events`. */
export interface EventOptions extends Cancellable {
  /** Also what has happened since then, as far as the runtime remembers it. Default: what happens from the call on. */
  since?: Date | undefined;
  /** Nothing that happens from then on: the stream ends then, or at once when that is past. Default: no end. */
  until?: Date | undefined;
  /** Only what happens to containers that this runtime object owns, not what other programs do beside it. */
  own?: boolean | undefined;
}
