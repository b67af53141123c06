import { type ContainerId, formatContainerId } from './container-id.ts';

const FNV_OFFSET_BASIS = 0x811c_9dc5;
const FNV_PRIME = 0x0100_0193;

/**
 * What stands for a process id where a container has no process on the host: the same for the same id at all times and
 * on all machines, from 2^30 up and below 2^31. No host has process ids that high, and a signed 32-bit integer holds it.
 * It is no process: never send it a signal.
 */
export function pseudoPid(id: ContainerId): number {
  let hash = FNV_OFFSET_BASIS;
  for (const byte of new TextEncoder().encode(formatContainerId(id))) {
    hash = Math.imul(hash ^ byte, FNV_PRIME) >>> 0;
  }
  // FNV's way of shortening a hash: the bits that are cut off are folded in.
  return 2 ** 30 + (((hash >>> 30) ^ hash) & (2 ** 30 - 1));
}
