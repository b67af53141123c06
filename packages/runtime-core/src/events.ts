import type { ContainerInstance } from './container-reference.ts';
import type { ContainerState, ExitResult } from './container-state.ts';

/** Something that happened to a container, in the order in which it happened. */
export type RuntimeEvent = { time: Date; container: ContainerInstance } & (
  | { type: 'created' }
  | { type: 'state'; state: ContainerState }
  | { type: 'exited'; result: ExitResult }
  | { type: 'oom' }
  | { type: 'health'; status: 'starting' | 'healthy' | 'unhealthy' }
  | { type: 'removed' }
);

export type RuntimeEventType = RuntimeEvent['type'];
