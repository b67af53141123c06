import { LinuxVmRuntime, type LinuxVmRuntimeOptions } from '@zlayer/linux-vm';
import type { Cancellable, ContainerId, CreatedContainer, ServiceSpecInput } from '@zlayer/runtime-core';
import { VzDriver, type VzDriverOptions } from './vz-driver.ts';

/** Memory's default, 512 MiB, is every runtime's. */
const DEFAULT_CPUS = 2;

export type VzLinuxRuntimeOptions = Omit<LinuxVmRuntimeOptions, 'name' | 'driver' | 'reachesGuests'> & VzDriverOptions;

/** Runs Linux containers, each in a virtual machine of its own, with Apple's Virtualization.framework. */
export class VzLinuxRuntime extends LinuxVmRuntime {
  constructor(options: VzLinuxRuntimeOptions = {}) {
    // A Mac is in the network of its guests; a double's guests have one that nobody else is in.
    const reachesGuests = process.platform === 'darwin';
    super({ ...options, name: 'vz-linux', driver: new VzDriver(options), reachesGuests });
  }

  override createContainer(id: ContainerId, spec: ServiceSpecInput, options?: Cancellable): Promise<CreatedContainer> {
    return super.createContainer(id, withDefaults(spec), options);
  }

  override getOrCreateContainer(
    id: ContainerId,
    spec: ServiceSpecInput,
    options?: Cancellable,
  ): Promise<CreatedContainer> {
    return super.getOrCreateContainer(id, withDefaults(spec), options);
  }
}

/** What is left out is filled in; what is wrong is left to the spec's own check. */
function withDefaults(spec: ServiceSpecInput): ServiceSpecInput {
  const { resources } = spec;
  if (resources !== undefined && (typeof resources !== 'object' || resources === null)) return spec;
  return { ...spec, resources: { ...resources, cpu: resources?.cpu ?? DEFAULT_CPUS } };
}
