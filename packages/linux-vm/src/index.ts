export { LinuxVmRuntime, type LinuxVmRuntimeOptions } from './linux-vm-runtime.ts';
