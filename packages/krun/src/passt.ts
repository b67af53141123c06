import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { isExecutable } from '@zlayer/host';

/** Gives a machine connections to the outside, through those of the host. It needs no privileges. */
export function findPasst(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder.startsWith('/'));
  return folders.map((folder) => join(folder, 'passt')).find(isExecutable);
}

/**
 * For one machine, and without a port of the host for its own: those are published otherwise. Started by root it would
 * become a user who can make no socket in the machine's folder; it gives up all privileges either way.
 */
export const passtArguments = (program: string, socket: string): string[] => [
  ...[program, '--foreground', '--quiet', '--one-off', '--socket', socket],
  ...['--tcp-ports', 'none', '--udp-ports', 'none'],
  ...(process.getuid?.() === 0 ? ['--runas', '0:0'] : []),
];

/**
 * Whether this machine has a way to the outside. Without one passt does not start: it makes the guest's network in the image of
 * the host's.
 */
export async function hasDefaultRoute(folder = '/proc/net'): Promise<boolean> {
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8').catch(() => '');
  const [four, six] = await Promise.all([read('route'), read('ipv6_route')]);
  // Interface, destination, gateway; destination and length of its prefix. Both in hexadecimal digits.
  return /^\S+\s+0{8}\s/m.test(four) || /^0{32} 00 (?!.*\blo$)/m.test(six);
}
