import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { type Architecture, ZlayerError } from '@zlayer/runtime-core';

/** Where to find the programs that make up a virtual machine. Default: looked up in PATH and where systems put them. */
export interface QemuPrograms {
  /** `qemu-system-x86_64` for amd64, `qemu-system-aarch64` for arm64. */
  qemu?: Partial<Record<Architecture, string>> | undefined;
  virtiofsd?: string | undefined;
  vhostDeviceVsock?: string | undefined;
}

interface Requirement {
  name: string;
  elsewhere: string[];
  debianPackage: string;
}

const QEMU: Readonly<Record<Architecture, Requirement>> = {
  amd64: { name: 'qemu-system-x86_64', elsewhere: [], debianPackage: 'qemu-system-x86' },
  arm64: { name: 'qemu-system-aarch64', elsewhere: [], debianPackage: 'qemu-system-arm' },
};
const VIRTIOFSD: Requirement = {
  name: 'virtiofsd',
  // Distributions keep it out of PATH, as only QEMU's users need it.
  elsewhere: ['/usr/libexec/virtiofsd', '/usr/lib/qemu/virtiofsd', '/usr/lib/virtiofsd'],
  debianPackage: 'virtiofsd (Debian 13 and later) or qemu-system-common (Debian 12)',
};
const VSOCK: Requirement = {
  name: 'vhost-device-vsock',
  elsewhere: ['/usr/libexec/vhost-device-vsock'],
  debianPackage: 'vhost-device-vsock',
};

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function find({ name, elsewhere, debianPackage }: Requirement, given: string | undefined): Promise<string> {
  const inPath = (process.env['PATH'] ?? '').split(delimiter).filter(isAbsolute);
  const candidates = given === undefined ? [...inPath.map((folder) => join(folder, name)), ...elsewhere] : [given];
  for (const candidate of candidates) if (await isExecutable(candidate)) return candidate;
  throw new ZlayerError('UNAVAILABLE', given === undefined ? `${name} is not installed` : `${given} is not a program`, {
    subject: given ?? name,
    remedy:
      given === undefined
        ? `Install it: the Debian package is ${debianPackage}.`
        : `Correct the path that was given for ${name}, or leave it out to look in PATH.`,
  });
}

export const findQemu = (architecture: Architecture, programs: QemuPrograms): Promise<string> =>
  find(QEMU[architecture], programs.qemu?.[architecture]);
export const findVirtiofsd = (programs: QemuPrograms): Promise<string> => find(VIRTIOFSD, programs.virtiofsd);
export const findVhostDeviceVsock = (programs: QemuPrograms): Promise<string> => find(VSOCK, programs.vhostDeviceVsock);
