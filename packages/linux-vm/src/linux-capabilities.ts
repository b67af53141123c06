import { LINUX_CAPABILITIES, type LinuxCapability, type ServiceSpec } from '@zlayer/runtime-core';

/**
 * Docker's default set without `CAP_MKNOD`, which Docker gives and takes the use of away again by its device rules:
 * here the devices themselves would be made.
 */
const DEFAULT: readonly LinuxCapability[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW',
  'CAP_SYS_CHROOT',
  'CAP_AUDIT_WRITE',
  'CAP_SETFCAP',
];

/**
 * The capabilities of a container as a mask: the default ones, less what is dropped, and what is added, by Docker's
 * rules. A name goes before `ALL`: `drop: ALL, add: X` is X alone, `add: ALL, drop: X` everything but X.
 */
export function capabilityMask({ add, drop }: ServiceSpec['capabilities']): bigint {
  const base: readonly LinuxCapability[] = add.includes('ALL')
    ? LINUX_CAPABILITIES
    : drop.includes('ALL')
      ? []
      : DEFAULT;
  const named = new Set<LinuxCapability>([...base].filter((name) => !drop.includes(name)));
  for (const name of add) if (name !== 'ALL') named.add(name);
  return LINUX_CAPABILITIES.reduce((mask, name, bit) => (named.has(name) ? mask | (1n << BigInt(bit)) : mask), 0n);
}
