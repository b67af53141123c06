export { type QueryOptions, queryVzHost, type VzRosetta, type VzSupport } from './query-vz-host.ts';
export { type SignOptions, signProgram } from './sign-program.ts';
export { entitlementsPath, vzHostPath } from './vz-host-path.ts';
export {
  installRosetta,
  isMac,
  randomMac,
  type VzAddonOptions,
  type VzConsoleFile,
  VzMachine,
  type VzMachineEnd,
  type VzMachineOptions,
  type VzMachineState,
  vzSupport,
} from './vz-machine.ts';
export type { VzMachineConfig } from './vz-machine-config.ts';
