import { LinuxVmRuntime, type LinuxVmRuntimeOptions } from '@zlayer/linux-vm';
import { QemuDriver, type QemuDriverOptions } from './qemu-driver.ts';

export type QemuRuntimeOptions = Omit<LinuxVmRuntimeOptions, 'name' | 'driver' | 'reachesGuests'> & QemuDriverOptions;

/** Runs Linux containers, each in a QEMU virtual machine of its own, which nobody reaches but through the runtime. */
export class QemuRuntime extends LinuxVmRuntime {
  constructor(options: QemuRuntimeOptions = {}) {
    super({ ...options, name: 'qemu', driver: new QemuDriver(options) });
  }
}
