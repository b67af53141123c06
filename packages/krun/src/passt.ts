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
