import { LinuxVmRuntime, type LinuxVmRuntimeOptions } from '@zlayer/linux-vm';
import { QemuDriver, type QemuDriverOptions } from './qemu-driver.ts';

export type QemuRuntimeOptions = Omit<LinuxVmRuntimeOptions, 'name' | 'driver'> & QemuDriverOptions;

/** Runs Linux containers, each in a QEMU virtual machine of its own. */
export class QemuRuntime extends LinuxVmRuntime {
  constructor(options: QemuRuntimeOptions = {}) {
    super({ ...options, name: 'qemu', driver: new QemuDriver(options) });
  }
}
