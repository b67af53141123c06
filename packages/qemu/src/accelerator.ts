import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import type { Architecture } from '@zlayer/runtime-core';

/** What executes the guest's instructions: the CPU itself through the kernel, or QEMU's translator. */
export type Accelerator = 'kvm' | 'hvf' | 'tcg';

const HOST_ARCHITECTURE: Readonly<Record<string, Architecture>> = { x64: 'amd64', arm64: 'arm64' };

/** The architecture of guests that this host can run on its own CPU. */
export function hostArchitecture(arch: string = process.arch): Architecture | undefined {
  return Object.hasOwn(HOST_ARCHITECTURE, arch) ? HOST_ARCHITECTURE[arch] : undefined;
}

/**
 * KVM counts as usable only where the CPU virtualizes in hardware: a paravirtual KVM opens as well, but boots no stock
 * kernel. On arm64 the CPU flags say nothing about it, and the device exists only where it works.
 */
async function kvmIsUsable(): Promise<boolean> {
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK);
    return process.arch === 'arm64' || /^flags\s*:.*\b(?:vmx|svm)\b/m.test(await readFile('/proc/cpuinfo', 'utf8'));
  } catch {
    return false;
  }
}

/** The fastest accelerator that works for guests of an architecture on this machine. */
export async function chooseAccelerator(guest: Architecture): Promise<Accelerator> {
  if (guest !== hostArchitecture()) return 'tcg';
  if (process.platform === 'darwin') return 'hvf';
  return process.platform === 'linux' && (await kvmIsUsable()) ? 'kvm' : 'tcg';
}
