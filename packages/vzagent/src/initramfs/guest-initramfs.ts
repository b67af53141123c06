import type { ModuleSet } from '../kernel/modules.ts';
import { writeCpio } from './cpio.ts';
import type { InitramfsEntry } from './entry.ts';

/** Counts changes of what an initramfs of given parts looks like; part of its cache key. */
export const INITRAMFS_VERSION = 3;

/** Writes the guest's initramfs: the agent as `/init`, its modules, a console. Same input, same bytes. */
export function writeGuestInitramfs(agent: Uint8Array, modules: ModuleSet): Uint8Array {
  const entries: InitramfsEntry[] = [
    { type: 'file', path: 'init', data: agent, mode: 0o755 },
    { type: 'directory', path: 'dev' },
    // Descriptors 0 to 2 of PID 1; without it, a boot that fails would say nothing.
    { type: 'character-device', path: 'dev/console', major: 5, minor: 1 },
    { type: 'directory', path: 'lib' },
    { type: 'directory', path: 'lib/modules' },
    { type: 'file', path: 'lib/modules/modules.load', data: Buffer.from(modules.beforeListening) },
    { type: 'file', path: 'lib/modules/modules.late', data: Buffer.from(modules.afterListening) },
  ];
  for (const [name, list] of modules.onDemand) {
    entries.push({ type: 'file', path: `lib/modules/${name}.load`, data: Buffer.from(list) });
  }
  for (const [name, data] of modules.files) entries.push({ type: 'file', path: `lib/modules/${name}`, data });
  return writeCpio(entries);
}
