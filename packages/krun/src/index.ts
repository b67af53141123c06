export { KrunDriver, type KrunDriverOptions } from './krun-driver.ts';
export { krunHostPath } from './krun-host-path.ts';
export { KrunRuntime, type KrunRuntimeOptions } from './krun-runtime.ts';
export { type Libkrun, type ProbeOptions, probeLibkrun } from './libkrun.ts';
