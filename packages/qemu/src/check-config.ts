import type { VmConfig } from '@zlayer/host';
import { ZlayerError } from '@zlayer/runtime-core';

/** Slots of a machine's PCI bus that are left when its own devices have theirs. */
const MAX_DEVICES = 24;
const MAX_TAG_BYTES = 36;

/**
 * Refuses a configuration that QEMU would misread, or fail on in its own words.
 *
 * @throws ZlayerError `INVALID_SPEC`.
 */
export function checkConfig(config: VmConfig): void {
  const { shares, disks, network, commandLine } = config;
  const count = shares.length + disks.length;
  refuseIf(count > MAX_DEVICES, `it has ${count} shares and disks; ${MAX_DEVICES} are possible`);
  for (const { serial } of disks) {
    refuseIf(!/^[\w.-]{1,20}$/.test(serial), `${JSON.stringify(serial)} is not the serial of a disk`);
  }
  for (const { tag } of shares) {
    const fits = Buffer.byteLength(tag) <= MAX_TAG_BYTES && tag !== '' && !tag.includes('\0');
    refuseIf(!fits, `${JSON.stringify(tag)} is not the tag of a share`);
  }
  const names = [...disks.map(({ serial }) => `disk ${serial}`), ...shares.map(({ tag }) => `share ${tag}`)];
  const double = names.find((name, index) => names.indexOf(name) !== index);
  refuseIf(double !== undefined, `it has ${double} twice`);
  if (network.type === 'user' && network.mac !== undefined) {
    // The lowest bit of the first byte makes it a group's address.
    refuseIf(!/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i.test(network.mac), `${network.mac} is not the MAC of a device`);
  }
  refuseIf(/[\0\n]/.test(commandLine), "its kernel's command line has more than one line");
}

function refuseIf(wrong: boolean, why: string): void {
  if (wrong) throw new ZlayerError('INVALID_SPEC', `QEMU cannot run such a machine: ${why}`);
}
