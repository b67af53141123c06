import { bootFiles, type VmConfig, type VmDisk } from '@zlayer/host';
import type { Architecture } from '@zlayer/runtime-core';
import type { Accelerator } from './accelerator.ts';
import { TCP_CHANNEL_WORD, tcpChannelArguments } from './channel/tcp-channel.ts';

/** Descriptors that the host program connects and QEMU inherits: the console's, the vsock's, then one for each share. */
export const CONSOLE_DESCRIPTOR = 9;
export const VSOCK_DESCRIPTOR = 10;
export const FIRST_SHARE_DESCRIPTOR = 11;

export interface MachinePaths {
  qemu: string;
  qmpSocket: string;
  /** Where QEMU tells events: on a socket of its own, because it serves one client on each. */
  eventSocket: string;
  channel: MachineChannel;
  /** How many files of its shares the guest may remember without using them. Default: as many as it likes. */
  rememberedFiles?: number | undefined;
}

/** What the control channel is made of: a device outside of QEMU, or a token and where the guest's calls go. */
export type MachineChannel =
  | { kind: 'vsock' }
  | { kind: 'tcp'; token: string; calls: readonly { port: number; path: string }[] };

/** QEMU reads a comma as the end of an option's value, and two as one comma. */
const quoted = (value: string): string => value.replaceAll(',', ',,');

/**
 * q35 rather than microvm, which boots a few hundredths of a second faster: microvm has no clock but the PIT to measure
 * the TSC by, and on a busy host that measurement fails under TCG, after which the kernel hangs.
 */
export const MACHINES: Readonly<Record<Architecture, string>> = { amd64: 'q35', arm64: 'virt' };

function machineArguments(architecture: Architecture, accelerator: Accelerator): string[] {
  const machine = [MACHINES[architecture], 'memory-backend=memory'];
  if (architecture === 'arm64' && accelerator === 'kvm') machine.push('gic-version=host');
  const emulated = architecture === 'amd64' ? 'max' : 'cortex-a72';
  return [
    ...['-machine', machine.join(',')],
    ...['-accel', accelerator === 'tcg' ? 'tcg,thread=multi' : accelerator],
    ...['-cpu', accelerator === 'tcg' ? emulated : 'host'],
  ];
}

/** Name of the serial port that the machine's kernel can write to from its first line on. */
export const CONSOLES: Readonly<Record<Architecture, string>> = { amd64: 'ttyS0', arm64: 'ttyAMA0' };

/** The whole command line of QEMU for a machine. */
export function qemuArguments(config: VmConfig, accelerator: Accelerator, paths: MachinePaths): string[] {
  const { qemu, qmpSocket, eventSocket, channel, rememberedFiles } = paths;
  const { kernel, initramfs } = bootFiles(config);
  const bytes = String(config.memoryBytes);
  const words = [`console=${CONSOLES[config.architecture]}`, config.commandLine];
  if (channel.kind === 'tcp') words.push(TCP_CHANNEL_WORD);
  if (rememberedFiles !== undefined) words.push(`zlayer.files=${rememberedFiles}`);
  return [
    qemu,
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    // A QEMU that a guest has taken over can start no programs and gain no privileges.
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...machineArguments(config.architecture, accelerator),
    ...['-smp', String(config.cpus)],
    // The devices outside of QEMU work in the guest's memory, so it is shared with them.
    ...['-m', `${bytes}B`, '-object', `memory-backend-memfd,id=memory,size=${bytes},share=on`],
    ...['-kernel', kernel, '-initrd', initramfs],
    ...['-append', words.join(' ')],
    ...['-chardev', `socket,id=console,fd=${CONSOLE_DESCRIPTOR}`, '-serial', 'chardev:console'],
    ...['-qmp', `unix:${quoted(qmpSocket)},server=on,wait=off`],
    ...['-qmp', `unix:${quoted(eventSocket)},server=on,wait=off`],
    ...['-device', 'virtio-rng-pci'],
    // Pages that the guest frees go back to the host without being asked for; the balloon takes more when told to.
    ...['-device', 'virtio-balloon-pci,id=balloon,deflate-on-oom=on,free-page-reporting=on'],
    ...config.shares.flatMap(({ tag }, index) => [
      ...['-chardev', `socket,id=share${index},fd=${FIRST_SHARE_DESCRIPTOR + index}`],
      ...['-device', `vhost-user-fs-pci,chardev=share${index},tag=${quoted(tag)}`],
    ]),
    ...config.disks.flatMap(diskArguments),
    ...networkArguments(config),
    ...channelArguments(channel),
  ];
}

function diskArguments({ path, readOnly, serial, cache = 'cached' }: VmDisk, index: number): string[] {
  const onOff = (value: boolean): string => (value ? 'on' : 'off');
  const common = [
    `read-only=${onOff(readOnly)}`,
    `cache.direct=${onOff(cache === 'direct')}`,
    `cache.no-flush=${onOff(cache === 'unsafe')}`,
  ];
  // What the guest discards, or fills with zeroes, becomes a hole in the file.
  const format = ['driver=raw', `node-name=disk${index}`, ...common, 'discard=unmap'];
  if (!readOnly) format.push('detect-zeroes=unmap');
  const file = ['file.driver=file', `file.filename=${quoted(path)}`, 'file.discard=unmap'];
  return [
    ...['-blockdev', [...format, ...file].join(',')],
    ...['-device', `virtio-blk-pci,drive=disk${index},serial=${quoted(serial)}`],
  ];
}

/** Behind the container's own network device, which the guest takes for its first. */
function channelArguments(channel: MachineChannel): string[] {
  if (channel.kind === 'tcp') return tcpChannelArguments(channel.token, channel.calls);
  return ['-chardev', `socket,id=vsock,fd=${VSOCK_DESCRIPTOR}`, '-device', 'vhost-user-vsock-pci,chardev=vsock'];
}

function networkArguments({ network }: VmConfig): string[] {
  if (network.type === 'none') return ['-nic', 'none'];
  const mac = network.mac === undefined ? '' : `,mac=${network.mac}`;
  // No boot ROM: the guest never boots from the network, and reading one takes time.
  const netdev = network.restricted === true ? 'user,id=network,restrict=on' : 'user,id=network';
  return ['-netdev', netdev, '-device', `virtio-net-pci,netdev=network,romfile=${mac}`];
}
