export type { Accelerator } from './accelerator.ts';
export type { QemuPrograms } from './programs.ts';
export { QemuDriver, type QemuDriverOptions } from './qemu-driver.ts';
export { QemuRuntime, type QemuRuntimeOptions } from './qemu-runtime.ts';
