import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import {
  attachHost,
  type HostConfig,
  type LaunchOptions,
  launchHost,
  listenVsock,
  readJsonFile,
  removeRunDirectory,
  runDirectory,
  type Vm,
  type VmConfig,
  type VmDriver,
  type VmLimits,
  type VsockListener,
} from '@zlayer/host';
import { ARCHITECTURES, type Availability, ZlayerError } from '@zlayer/runtime-core';
import { type Accelerator, chooseAccelerator, hostArchitecture } from './accelerator.ts';
import { CONSOLE_DESCRIPTOR, FIRST_SHARE_DESCRIPTOR, qemuArguments, VSOCK_DESCRIPTOR } from './arguments.ts';
import { checkConfig } from './check-config.ts';
import { checkQemu } from './features.ts';
import { consoleArguments, virtiofsdKind, virtiofsdProgram, vsockArguments } from './helpers.ts';
import { findQemu, findVhostDeviceVsock, findVirtiofsd, type QemuPrograms } from './programs.ts';
import { type MachineSockets, QemuVm } from './qemu-vm.ts';

const MIN_MEMORY_BYTES = 128 * 1024 ** 2;
const START_TIMEOUT_MS = 20_000;
const STOP_GRACE_MS = 1000;
const CONSOLE_BYTES = 1024 * 1024;

export interface QemuDriverOptions {
  programs?: QemuPrograms | undefined;
  /** Default: the fastest that works for the guest's architecture on this machine. */
  accelerator?: Accelerator | undefined;
}

/** Runs virtual machines with QEMU, virtiofsd and vhost-device-vsock, each set under a `zlayer-host` of its own. */
export class QemuDriver implements VmDriver {
  readonly name = 'qemu';
  readonly #programs: QemuPrograms;
  readonly #accelerator: Accelerator | undefined;

  constructor({ programs = {}, accelerator }: QemuDriverOptions = {}) {
    this.#programs = programs;
    this.#accelerator = accelerator;
  }

  async availability(): Promise<Availability> {
    try {
      const [qemu, virtiofsd] = await Promise.all([
        findQemu(hostArchitecture() ?? 'amd64', this.#programs),
        findVirtiofsd(this.#programs),
        findVhostDeviceVsock(this.#programs),
      ]);
      await Promise.all([checkQemu(qemu), virtiofsdKind(virtiofsd)]);
      return { available: true };
    } catch (error) {
      if (!(error instanceof ZlayerError)) throw error;
      return { available: false, reason: error.message, remedy: error.remedy ?? 'Install QEMU.' };
    }
  }

  async limits(): Promise<VmLimits> {
    const host = hostArchitecture();
    return {
      maxCpus: availableParallelism(),
      minMemoryBytes: MIN_MEMORY_BYTES,
      maxMemoryBytes: totalmem(),
      architectures: [...ARCHITECTURES].sort((a, b) => Number(b === host) - Number(a === host)),
    };
  }

  async launch(config: VmConfig, options: LaunchOptions = {}): Promise<Vm> {
    checkConfig(config);
    const directory = await runDirectory(config.stateDirectory);
    const sockets = socketsIn(directory);
    const listeners: VsockListener[] = [];
    try {
      const hostConfig = await this.#hostConfig(config, directory, sockets);
      // They listen before the guest boots, so that its first call finds them.
      for (const [port, onConnection] of options.listen ?? []) {
        listeners.push(await listenVsock(sockets.vsock, port, onConnection));
      }
      const host = await launchHost(hostConfig, { signal: options.signal });
      void host.exited.then(() => closeAll(listeners));
      return new QemuVm(host, sockets, config.memoryBytes);
    } catch (error) {
      await closeAll(listeners);
      await removeRunDirectory(directory);
      throw error;
    }
  }

  async attach(stateDirectory: string): Promise<Vm> {
    const { directory, memoryBytes } = await readMachine(stateDirectory);
    const sockets = socketsIn(directory);
    const host = await attachHost({ statusFile: statusFile(stateDirectory), controlSocket: sockets.control });
    return new QemuVm(host, sockets, memoryBytes);
  }

  async #hostConfig(config: VmConfig, directory: string, sockets: MachineSockets): Promise<HostConfig> {
    const { architecture, shares, stateDirectory } = config;
    const accelerator = this.#accelerator ?? (await chooseAccelerator(architecture));
    const [qemu, virtiofsd, vsockDevice] = await Promise.all([
      findQemu(architecture, this.#programs),
      findVirtiofsd(this.#programs),
      findVhostDeviceVsock(this.#programs),
    ]);
    const kind = await virtiofsdKind(virtiofsd);
    const log = (name: string): string => join(stateDirectory, `${name}.log`);
    const shareSocket = (index: number): string => join(directory, `fs${index}.sock`);
    const vsockDeviceSocket = join(directory, 'vsock-device.sock');
    const consoleSocket = join(directory, 'console.sock');
    return {
      statusFile: statusFile(stateDirectory),
      controlSocket: sockets.control,
      onOwnerExit: config.onOwnerExit,
      stopGraceMs: STOP_GRACE_MS,
      startTimeoutMs: START_TIMEOUT_MS,
      runDirectory: directory,
      helpers: [
        {
          name: 'console',
          argv: consoleArguments(consoleSocket, config.consoleFile, config.consoleBytes ?? CONSOLE_BYTES),
          log: log('console-helper'),
        },
        {
          name: 'vsock',
          argv: vsockArguments(vsockDevice, vsockDeviceSocket, sockets.vsock),
          log: log('vsock'),
        },
        ...shares.map((share, index) => ({
          name: `virtiofsd-${share.tag}`,
          ...virtiofsdProgram(kind, virtiofsd, shareSocket(index), share),
          log: log(`virtiofsd-${share.tag}`),
        })),
      ],
      connections: [
        { path: consoleSocket, descriptor: CONSOLE_DESCRIPTOR },
        { path: vsockDeviceSocket, descriptor: VSOCK_DESCRIPTOR },
        ...shares.map((_, index) => ({ path: shareSocket(index), descriptor: FIRST_SHARE_DESCRIPTOR + index })),
      ],
      main: {
        name: 'qemu',
        argv: qemuArguments(config, accelerator, { qemu, qmpSocket: sockets.qmp, eventSocket: sockets.events }),
        log: log('qemu'),
      },
    };
  }
}

const statusFile = (stateDirectory: string): string => join(stateDirectory, 'vm.json');

function socketsIn(directory: string): MachineSockets {
  return {
    control: join(directory, 'control.sock'),
    qmp: join(directory, 'qmp.sock'),
    events: join(directory, 'events.sock'),
    vsock: join(directory, 'vsock.sock'),
  };
}

async function closeAll(listeners: readonly VsockListener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()));
}

/** What the machine's host program was told. The run directory is not made anew: it is gone when the machine is. */
async function readMachine(stateDirectory: string): Promise<{ directory: string; memoryBytes: number }> {
  const config = (await readJsonFile(join(stateDirectory, 'host-config.json'))) as
    | { runDirectory?: unknown; main?: { argv?: unknown } }
    | undefined;
  const argv: unknown[] = Array.isArray(config?.main?.argv) ? config.main.argv : [];
  const memoryBytes = Number.parseInt(String(argv[argv.indexOf('-m') + 1]), 10);
  if (typeof config?.runDirectory === 'string' && memoryBytes > 0) {
    return { directory: config.runDirectory, memoryBytes };
  }
  throw new ZlayerError('NOT_FOUND', `no machine was launched in ${stateDirectory}`, { subject: stateDirectory });
}
