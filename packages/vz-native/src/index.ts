export { type DhcpLease, findLease, LEASES_FILE, parseLeases } from './dhcp-leases.ts';
export type { MacGuestTools, MacRestoreImage } from './mac-guest-tools.ts';
export { macGuestsByAddon } from './mac-guests-by-addon.ts';
export { type HostToolsOptions, macGuestsByHost } from './mac-guests-by-host.ts';
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
export type { VzLinuxMachineConfig, VzMacGuest, VzMachineConfig, VzMacMachineConfig } from './vz-machine-config.ts';
