import { dirname } from 'node:path';
import { bootFiles, pinnedMac, type VmConfig } from '@zlayer/host';
import { ZlayerError } from '@zlayer/runtime-core';
import { kernelFormat } from './kernel-format.ts';

const MEBIBYTE = 1024 ** 2;
const MAX_TAG_BYTES = 35;
/** The tag of the root, which is libkrun's own. */
const ROOT_TAG = '/dev/root';

/** Descriptors that the host program connects and `krun-host` inherits. */
export const CONSOLE_DESCRIPTOR = 9;
export const NETWORK_DESCRIPTOR = 10;

export interface MachineParts {
  /** As it is loaded. */
  library: string;
  /** Libkrun's kernel starts from this folder; `undefined`: the machine's own from the initramfs. */
  root: string | undefined;
  initramfs: string | undefined;
  /** Vsock ports, each with its Unix socket. */
  ports: readonly { port: number; path: string; guestListens: boolean }[];
  hasNetwork: boolean;
}

/**
 * What `krun-host` is told of a machine, and all that its jail leaves it.
 *
 * @throws ZlayerError `INVALID_SPEC` for what libkrun cannot do or would do otherwise than asked.
 */
export async function machineConfig(config: VmConfig, parts: MachineParts): Promise<object> {
  const { commandLine, cpus, memoryBytes, shares, disks, network } = config;
  refuseIf(/[\0\n"]/.test(commandLine), "its kernel's command line has a quote or more than one line");
  refuseIf(memoryBytes % MEBIBYTE !== 0, `${memoryBytes} bytes of memory are not whole MiB`);
  refuseIf(network.type === 'user' && network.restricted === true, 'its network cannot be restricted');
  for (const { tag } of shares) {
    const fits = tag !== '' && tag !== ROOT_TAG && Buffer.byteLength(tag) <= MAX_TAG_BYTES && !tag.includes('\0');
    refuseIf(!fits, `${JSON.stringify(tag)} is not the tag of a share`);
  }
  const mac = network.type === 'user' ? (network.mac ?? pinnedMac(config.stateDirectory)) : '';
  const writable = [...shares, ...disks].filter(({ readOnly }) => !readOnly).map(({ path }) => path);
  const readable = [...shares, ...disks].filter(({ readOnly }) => readOnly).map(({ path }) => path);
  const boot = await bootOf(config, parts);
  return {
    ...{ version: 1, library: parts.library.startsWith('/') ? parts.library : null },
    ...{ cpus, memoryMib: memoryBytes / MEBIBYTE, kernel: boot.kernel, root: parts.root ?? null },
    environment: parts.root === undefined ? [] : commandLine.split(' ').filter((word) => word !== ''),
    shares: shares.map(({ tag, path, readOnly }) => ({ tag, path, readOnly })),
    disks: disks.map(({ path, readOnly, serial, cache = 'cached' }) => ({
      ...{ id: serial, path, readOnly },
      ...{ direct: cache === 'direct', flushes: cache !== 'unsafe' },
    })),
    ports: parts.ports,
    network: parts.hasNetwork ? { descriptor: NETWORK_DESCRIPTOR, mac } : null,
    console: CONSOLE_DESCRIPTOR,
    readOnlyPaths: [...boot.files, ...readable],
    readWritePaths: [...new Set(parts.ports.map(({ path }) => dirname(path))), ...writable],
  };
}

async function bootOf(
  config: VmConfig,
  { root, initramfs }: MachineParts,
): Promise<{ kernel: object | null; files: string[] }> {
  if (root !== undefined) return { kernel: null, files: [root] };
  const { kernel } = bootFiles(config);
  return {
    kernel: {
      ...{ path: kernel, format: await kernelFormat(kernel), initramfs },
      commandLine: `console=hvc0 rdinit=/krun-init ${config.commandLine}`,
    },
    files: [kernel, initramfs ?? ''],
  };
}

function refuseIf(wrong: boolean, why: string): void {
  if (wrong) throw new ZlayerError('INVALID_SPEC', `this is no machine for libkrun: ${why}`);
}
