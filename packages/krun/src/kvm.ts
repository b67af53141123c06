import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';

const DEVICE = '/dev/kvm';

/** Why libkrun cannot use this machine's processor, and what to do; `undefined` where it can. */
export async function hypervisorFault(
  platform: NodeJS.Platform = process.platform,
): Promise<{ reason: string; remedy: string } | undefined> {
  if (platform !== 'linux') return undefined;
  try {
    await access(DEVICE, constants.R_OK | constants.W_OK);
  } catch (error) {
    const isDenied = (error as NodeJS.ErrnoException).code === 'EACCES';
    if (!isDenied) return { reason: `there is no ${DEVICE}`, remedy: 'Use a machine with KVM, or @zlayer/qemu.' };
    return { reason: `this user may not use ${DEVICE}`, remedy: 'Add the user to the group kvm, and log in again.' };
  }
  // A paravirtual KVM opens as well, but boots no stock kernel. On arm64 the device is there only where it works.
  if (process.arch === 'arm64' || /^flags\s*:.*\b(?:vmx|svm)\b/m.test(await readFile('/proc/cpuinfo', 'utf8'))) {
    return undefined;
  }
  return {
    reason: `${DEVICE} is there, but this processor does not virtualize in hardware`,
    remedy: 'Switch virtualization on in the firmware, or allow nested virtualization; or use @zlayer/qemu.',
  };
}
