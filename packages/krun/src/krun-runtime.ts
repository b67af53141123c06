import { LinuxVmRuntime, type LinuxVmRuntimeOptions } from '@zlayer/linux-vm';
import type { RuntimeCapabilities } from '@zlayer/runtime-core';
import { KrunDriver, type KrunDriverOptions } from './krun-driver.ts';

export type KrunRuntimeOptions = Omit<LinuxVmRuntimeOptions, 'name' | 'driver' | 'reachesGuests'> & KrunDriverOptions;

/** Runs Linux containers, each in a virtual machine of its own, with libkrun. */
export class KrunRuntime extends LinuxVmRuntime {
  readonly #bringsKernel: boolean;

  constructor(options: KrunRuntimeOptions = {}) {
    const driver = new KrunDriver(options);
    super({ ...options, name: 'krun', driver });
    this.#bringsKernel = driver.bringsKernel;
  }

  override capabilities(): RuntimeCapabilities {
    const all = super.capabilities();
    // libkrunfw's kernel has no WireGuard.
    return { ...all, network: { ...all.network, overlay: !this.#bringsKernel } };
  }
}
