import type { ContainerId } from './container-id.ts';

/**
 * Names a container in a call. With `instance`, the call is meant for that instance alone: when the container was removed
 * and created anew under its id since, it fails with `CONFLICT` instead of acting on the successor.
 */
export interface ContainerReference extends ContainerId {
  instance?: string | undefined;
}

/** One certain container: it and no successor of its id. */
export interface ContainerInstance extends ContainerId {
  instance: string;
}
