import type { Guest } from './guest.ts';
import type { Storage } from './storage.ts';
import type { Workload } from './workload.ts';

/** A run of a container's workload, with all that is held for it. */
export interface Run {
  guest: Guest;
  workload: Workload;
  volumes: Storage['volumes'];
}
