import { createHash } from 'node:crypto';

/**
 * The address of a VM's network device that nobody has chosen: always the same for one state directory, as leases go by MAC, are
 * few, and last a day; and another for each.
 */
export function pinnedMac(stateDirectory: string): string {
  const bytes = createHash('sha256').update(stateDirectory).digest().subarray(0, 6);
  // Locally administered, and nobody's group.
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
