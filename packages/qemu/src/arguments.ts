import type { VmConfig } from '@zlayer/host';
import type { Architecture } from '@zlayer/runtime-core';
import type { Accelerator } from './accelerator.ts';

/** Descriptors that the host program connects and QEMU inherits: one for vsock, then one for each share. */
export const VSOCK_DESCRIPTOR = 10;
export const FIRST_SHARE_DESCRIPTOR = 11;

export interface MachinePaths {
  qemu: string;
  qmpSocket: string;
}

/** QEMU reads a comma as the end of an option's value, and two as one comma. */
const quoted = (value: string): string => value.replaceAll(',', ',,');

/**
 * q35 rather than microvm, which boots a few hundredths of a second faster: microvm has no clock but the PIT to measure
 * the TSC by, and on a busy host that measurement fails under TCG, after which the kernel hangs.
 */
const MACHINES: Readonly<Record<Architecture, string>> = { amd64: 'q35', arm64: 'virt' };

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
export function qemuArguments(config: VmConfig, accelerator: Accelerator, { qemu, qmpSocket }: MachinePaths): string[] {
  const bytes = String(config.memoryBytes);
  return [
    qemu,
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    // A QEMU that a guest has taken over can start no programs and gain no privileges.
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...machineArguments(config.architecture, accelerator),
    ...['-smp', String(config.cpus)],
    // The devices outside of QEMU work in the guest's memory, so it is shared with them.
    ...['-m', `${bytes}B`, '-object', `memory-backend-memfd,id=memory,size=${bytes},share=on`],
    ...['-kernel', config.kernel, '-initrd', config.initramfs],
    ...['-append', `console=${CONSOLES[config.architecture]} ${config.commandLine}`],
    ...['-chardev', `file,id=console,path=${quoted(config.consoleFile)}`, '-serial', 'chardev:console'],
    ...['-qmp', `unix:${quoted(qmpSocket)},server=on,wait=off`],
    ...['-device', 'virtio-rng-pci'],
    ...['-chardev', `socket,id=vsock,fd=${VSOCK_DESCRIPTOR}`, '-device', 'vhost-user-vsock-pci,chardev=vsock'],
    ...config.shares.flatMap(({ tag }, index) => [
      ...['-chardev', `socket,id=share${index},fd=${FIRST_SHARE_DESCRIPTOR + index}`],
      ...['-device', `vhost-user-fs-pci,chardev=share${index},tag=${quoted(tag)}`],
    ]),
    ...config.disks.flatMap(({ path, readOnly, serial }, index) => [
      ...[
        '-blockdev',
        `driver=raw,node-name=disk${index},read-only=${readOnly ? 'on' : 'off'},discard=unmap,file.driver=file,file.filename=${quoted(path)}`,
      ],
      ...['-device', `virtio-blk-pci,drive=disk${index},serial=${quoted(serial)}`],
    ]),
    ...networkArguments(config),
  ];
}

function networkArguments({ network }: VmConfig): string[] {
  if (network.type === 'none') return ['-nic', 'none'];
  const mac = network.mac === undefined ? '' : `,mac=${network.mac}`;
  // No boot ROM: the guest never boots from the network, and reading one takes time.
  return ['-netdev', 'user,id=network', '-device', `virtio-net-pci,netdev=network,romfile=${mac}`];
}
