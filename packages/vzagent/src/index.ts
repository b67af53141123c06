export { agentPath } from './agent.ts';
export { defaultCacheDir } from './cache-dir.ts';
export { type DebianPackage, type DebianPackageOptions, debianPackage } from './debian/debian-packages.ts';
export { writeCpio } from './initramfs/cpio.ts';
export type { InitramfsEntry } from './initramfs/entry.ts';
export type { Guest, ResolveGuestOptions } from './kernel/guest-options.ts';
export { kernelArguments } from './kernel/kernel-arguments.ts';
export { resolveGuest } from './kernel/resolve-guest.ts';
