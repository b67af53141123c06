import { ZlayerError } from '../errors.ts';
import { quote, subjectOf } from '../quote.ts';
import { nearest } from './nearest.ts';

/** The capabilities of Linux (`man 7 capabilities`), in the order of their numbers. */
export const LINUX_CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;
/** One of the {@link LINUX_CAPABILITIES}. */
export type LinuxCapability = (typeof LINUX_CAPABILITIES)[number];

/**
 * The full name of a Linux capability: `NET_ADMIN`, `cap_net_admin` and `CAP_NET_ADMIN` are all understood. `ALL` is
 * every one of them.
 *
 * @throws ZlayerError `INVALID_SPEC`
 */
export function parseLinuxCapability(name: string): LinuxCapability | 'ALL' {
  const upper = name.slice(0, 64).toUpperCase();
  if (upper === 'ALL') return 'ALL';
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  const known = LINUX_CAPABILITIES.find((capability) => capability === full);
  if (known) return known;
  const meant = nearest(full, LINUX_CAPABILITIES);
  throw new ZlayerError('INVALID_SPEC', `${quote(name)} is not a capability of Linux`, {
    subject: subjectOf(name),
    remedy: meant === undefined ? 'See capabilities(7) for their names.' : `Did you mean ${meant}?`,
  });
}
