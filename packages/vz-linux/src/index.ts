export { VzDriver, type VzDriverOptions } from './vz-driver.ts';
export { VzLinuxRuntime, type VzLinuxRuntimeOptions } from './vz-linux-runtime.ts';
