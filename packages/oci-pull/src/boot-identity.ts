import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

let known: { readonly identity: string | undefined } | undefined;

/**
 * A text that is another one after every start of this machine, also after one that nobody saw coming; undefined where the
 * system does not tell.
 */
export function bootIdentity(): string | undefined {
  known ??= { identity: ask() };
  return known.identity;
}

function ask(): string | undefined {
  try {
    if (process.platform === 'linux') return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    if (process.platform !== 'darwin') return undefined;
    const options = { encoding: 'latin1', stdio: 'pipe' } as const;
    return execFileSync('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid'], options).trim() || undefined;
  } catch {
    return undefined;
  }
}
