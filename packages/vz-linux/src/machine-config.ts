import { bootFiles, pinnedMac, type VmConfig, type VmDisk, type VmShare } from '@zlayer/host';
import { ZlayerError } from '@zlayer/runtime-core';
import type { VzLinuxMachineConfig } from '@zlayer/vz-native';

/** How much of a guest's console is kept unless somebody says so. */
export const CONSOLE_BYTES = 1024 * 1024;
const MEBIBYTE = 1024 ** 2;
const MAX_TAG_BYTES = 35;
/**
 * The framework has a descriptor open for each file of a share that the guest remembers, and with some 57 000 of them the
 * whole Mac has had no more (docker/for-mac issue 6783).
 */
const REMEMBERED_FILES = 10_000;

/** What `vz-host` is told of a machine. @throws ZlayerError as `frameworkConfig` does. */
export function machineConfig(config: VmConfig, vsockSocket: string, listen: readonly number[]): object {
  const { consoleFile, consoleBytes = CONSOLE_BYTES } = config;
  return { ...frameworkConfig(config), consoleFile, consoleBytes, vsockSocket, listen, savedState: null };
}

/**
 * What the framework makes a machine of. It checks the rest, in its own words.
 *
 * @throws ZlayerError `INVALID_SPEC` for what the framework cannot do or would do otherwise than asked.
 */
export function frameworkConfig(config: VmConfig): VzLinuxMachineConfig {
  const { commandLine, cpus, memoryBytes, shares, disks, network } = config;
  refuseIf(/[\0\n]/.test(commandLine), "its kernel's command line has more than one line");
  refuseIf(memoryBytes % MEBIBYTE !== 0, `${memoryBytes} bytes of memory are not whole MiB`);
  refuseIf(network.type === 'user' && network.restricted === true, 'its network cannot be restricted');
  for (const share of shares) checkTag(share);
  for (const disk of disks) checkSerial(disk);
  const names = [...disks.map(({ serial }) => `disk ${serial}`), ...shares.map(({ tag }) => `share ${tag}`)];
  const double = names.find((name, index) => names.indexOf(name) !== index);
  refuseIf(double !== undefined, `it has ${double} twice`);
  return {
    ...bootFiles(config),
    ...{ cpus, memoryBytes },
    commandLine: shares.length === 0 ? commandLine : `${commandLine} zlayer.files=${REMEMBERED_FILES}`,
    shares: shares.map(({ tag, path, readOnly }) => ({ tag, path, readOnly })),
    disks: disks.map(({ path, readOnly, serial, cache = 'cached' }) => ({ path, readOnly, serial, cache })),
    rosetta: config.translated !== undefined,
    network: network.type === 'none' ? null : { mac: macOf(config) },
  };
}

/** The address of its network device, if it has one. */
export function macOf({ network, stateDirectory }: Pick<VmConfig, 'network' | 'stateDirectory'>): string {
  return (network.type === 'user' ? network.mac : undefined) ?? pinnedMac(stateDirectory);
}

function checkTag({ tag }: VmShare): void {
  const fits = tag !== '' && Buffer.byteLength(tag) <= MAX_TAG_BYTES && !tag.includes('\0');
  refuseIf(!fits, `${JSON.stringify(tag)} is not the tag of a share`);
}

function checkSerial({ serial }: VmDisk): void {
  refuseIf(!/^[\w.-]{1,20}$/.test(serial), `${JSON.stringify(serial)} is not the serial of a disk`);
}

function refuseIf(wrong: boolean, why: string): void {
  if (wrong) throw new ZlayerError('INVALID_SPEC', `Virtualization.framework cannot run such a machine: ${why}`);
}
