import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import {
  attachHost,
  emptyRunDirectory,
  type HostConfig,
  type HostProgram,
  type LaunchOptions,
  launchHost,
  listenVsock,
  readJsonFile,
  removeRunDirectory,
  type Vm,
  type VmConfig,
  type VmDriver,
  type VmLimits,
  type VmShare,
  type VsockListener,
} from '@zlayer/host';
import { ARCHITECTURES, type Availability, ZlayerError } from '@zlayer/runtime-core';
import { type Accelerator, chooseAccelerator, hostArchitecture } from './accelerator.ts';
import {
  CONSOLE_DESCRIPTOR,
  FIRST_SHARE_DESCRIPTOR,
  type MachineChannel,
  qemuArguments,
  VSOCK_DESCRIPTOR,
} from './arguments.ts';
import { type ControlChannel, type ControlChannelChoice, wantedChannel } from './channel/control-channel.ts';
import { tcpChannel, writeToken } from './channel/tcp-channel.ts';
import { vsockChannel } from './channel/vsock-channel.ts';
import { checkConfig } from './check-config.ts';
import { checkQemu } from './features.ts';
import { consoleArguments, doorArguments, vsockArguments } from './helpers.ts';
import { findQemu, findVhostDeviceVsock, findVirtiofsd, type QemuPrograms } from './programs.ts';
import { type MachineSockets, QemuVm } from './qemu-vm.ts';
import { rememberedFiles } from './remembered-files.ts';
import { inspectVirtiofsd, type Virtiofsd, virtiofsdProgram } from './virtiofsd.ts';

const MIN_MEMORY_BYTES = 128 * 1024 ** 2;
const START_TIMEOUT_MS = 20_000;
const STOP_GRACE_MS = 1000;
const CONSOLE_BYTES = 1024 * 1024;

export interface QemuDriverOptions {
  programs?: QemuPrograms | undefined;
  /** Default: the fastest that works for the guest's architecture on this machine. */
  accelerator?: Accelerator | undefined;
  /**
   * How host and guest talk: `vsock` needs vhost-device-vsock, `tcp` nothing; `auto` takes `vsock` where it can be had.
   * Default: the environment variable `ZLAYER_QEMU_CONTROL_CHANNEL`, or `auto`.
   */
  controlChannel?: ControlChannelChoice | undefined;
}

/** The channel that machines get here, and why. */
type ChosenChannel = { kind: 'vsock'; program: string } | { kind: 'tcp'; because: string };

/** Runs virtual machines with QEMU, virtiofsd and vhost-device-vsock, each set under a `zlayer-host` of its own. */
export class QemuDriver implements VmDriver {
  readonly name = 'qemu';
  readonly #programs: QemuPrograms;
  readonly #accelerator: Accelerator | undefined;
  readonly #controlChannel: ControlChannelChoice | undefined;

  constructor({ programs = {}, accelerator, controlChannel }: QemuDriverOptions = {}) {
    this.#programs = programs;
    this.#accelerator = accelerator;
    this.#controlChannel = controlChannel;
  }

  async availability(): Promise<Availability> {
    try {
      const architecture = hostArchitecture() ?? 'amd64';
      const qemu = await findQemu(architecture, this.#programs);
      const [accelerator, channel, shares] = await Promise.all([
        this.#accelerator ?? chooseAccelerator(architecture),
        this.#chooseChannel(),
        this.#sharesNote(),
      ]);
      const { version } = await checkQemu(qemu, architecture, channel.kind);
      const notes = [
        `QEMU ${version} with ${accelerator}`,
        channel.kind === 'vsock' ? 'control channel over vsock' : `control channel over TCP: ${channel.because}`,
        shares,
      ];
      return { available: true, notes: notes.filter((note) => note !== undefined) };
    } catch (error) {
      if (!(error instanceof ZlayerError)) throw error;
      return { available: false, reason: error.message, remedy: error.remedy ?? 'Install QEMU.' };
    }
  }

  /** A path that was given and is wrong is an error, and so is the lack of what was asked for. */
  async #chooseChannel(): Promise<ChosenChannel> {
    const wanted = wantedChannel(this.#controlChannel);
    if (wanted === 'tcp') return { kind: 'tcp', because: 'it was asked for' };
    try {
      return { kind: 'vsock', program: await findVhostDeviceVsock(this.#programs) };
    } catch (error) {
      const isFallback = wanted === 'auto' && this.#programs.vhostDeviceVsock === undefined;
      if (!isFallback || !(error instanceof ZlayerError)) throw error;
      return { kind: 'tcp', because: error.message };
    }
  }

  /** What does not work without virtiofsd, which only shares need. */
  async #sharesNote(): Promise<string | undefined> {
    try {
      await inspectVirtiofsd(await findVirtiofsd(this.#programs));
      return undefined;
    } catch (error) {
      if (this.#programs.virtiofsd !== undefined || !(error instanceof ZlayerError)) throw error;
      return `no folders of the host can be shared: ${error.message}. ${error.remedy ?? ''}`.trimEnd();
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
    const { stateDirectory } = config;
    const directory = await emptyRunDirectory({ stateDirectory, statusFile: statusFile(stateDirectory) });
    const sockets = socketsIn(directory);
    const listeners: VsockListener[] = [];
    try {
      const channel = await this.#chooseChannel();
      const ports = [...(options.listen ?? new Map()).keys()];
      const hostConfig = await this.#hostConfig(config, directory, sockets, { channel, ports });
      if (channel.kind === 'tcp') await writeToken(sockets.token);
      // They listen before the guest boots, so that its first call finds them.
      for (const [port, onConnection] of options.listen ?? []) {
        listeners.push(await listenVsock(sockets.vsock, port, onConnection));
      }
      const host = await launchHost(hostConfig, { signal: options.signal });
      void host.exited.then(() => closeAll(listeners));
      return new QemuVm(host, sockets, config.memoryBytes, openChannel(channel.kind, sockets));
    } catch (error) {
      await closeAll(listeners);
      await removeRunDirectory(directory);
      throw error;
    }
  }

  async attach(stateDirectory: string): Promise<Vm> {
    const { directory, memoryBytes, channel } = await readMachine(stateDirectory);
    const sockets = socketsIn(directory);
    const host = await attachHost({ statusFile: statusFile(stateDirectory), controlSocket: sockets.control });
    return new QemuVm(host, sockets, memoryBytes, openChannel(channel, sockets));
  }

  async #hostConfig(
    config: VmConfig,
    directory: string,
    sockets: MachineSockets,
    { channel, ports }: { channel: ChosenChannel; ports: readonly number[] },
  ): Promise<HostConfig> {
    const { architecture, shares, stateDirectory } = config;
    const accelerator = this.#accelerator ?? (await chooseAccelerator(architecture));
    const qemu = await findQemu(architecture, this.#programs);
    const virtiofsd = shares.length === 0 ? undefined : await inspectVirtiofsd(await findVirtiofsd(this.#programs));
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
        ...(channel.kind === 'vsock'
          ? [
              {
                name: 'vsock',
                argv: vsockArguments(channel.program, vsockDeviceSocket, sockets.vsock),
                log: log('vsock'),
              },
              { name: 'door', argv: doorArguments(sockets.door, sockets.vsock), log: log('door') },
            ]
          : []),
        ...(virtiofsd === undefined ? [] : shareHelpers(virtiofsd, shares, shareSocket, log)),
      ],
      connections: [
        { path: consoleSocket, descriptor: CONSOLE_DESCRIPTOR },
        ...(channel.kind === 'vsock' ? [{ path: vsockDeviceSocket, descriptor: VSOCK_DESCRIPTOR }] : []),
        ...shares.map((_, index) => ({ path: shareSocket(index), descriptor: FIRST_SHARE_DESCRIPTOR + index })),
      ],
      main: {
        name: 'qemu',
        argv: qemuArguments(config, accelerator, {
          ...{ qemu, qmpSocket: sockets.qmp, eventSocket: sockets.events },
          channel: machineChannel(channel, sockets, ports),
          rememberedFiles: virtiofsd === undefined ? undefined : await rememberedFiles(virtiofsd),
        }),
        log: log('qemu'),
      },
    };
  }
}

const statusFile = (stateDirectory: string): string => join(stateDirectory, 'vm.json');

function shareHelpers(
  virtiofsd: Virtiofsd,
  shares: readonly VmShare[],
  socket: (index: number) => string,
  log: (name: string) => string,
): HostProgram[] {
  return shares.map((share, index) => {
    const name = `virtiofsd-${share.tag}`;
    return { name, ...virtiofsdProgram(virtiofsd, socket(index), share), log: log(name) };
  });
}

function socketsIn(directory: string): MachineSockets {
  return {
    control: join(directory, 'control.sock'),
    qmp: join(directory, 'qmp.sock'),
    events: join(directory, 'events.sock'),
    vsock: join(directory, 'vsock.sock'),
    door: join(directory, 'door.sock'),
    token: join(directory, 'token'),
  };
}

function machineChannel({ kind }: ChosenChannel, sockets: MachineSockets, ports: readonly number[]): MachineChannel {
  if (kind === 'vsock') return { kind };
  // The guest's calls arrive where those of a vsock would.
  return { kind, token: sockets.token, calls: ports.map((port) => ({ port, path: `${sockets.vsock}_${port}` })) };
}

function openChannel(kind: ControlChannel['kind'], sockets: MachineSockets): ControlChannel {
  if (kind === 'vsock') return vsockChannel(sockets);
  return tcpChannel({ qmpSocket: sockets.qmp, token: sockets.token });
}

async function closeAll(listeners: readonly VsockListener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()));
}

/** What the machine's host program was told. The run directory is not made anew: it is gone when the machine is. */
async function readMachine(
  stateDirectory: string,
): Promise<{ directory: string; memoryBytes: number; channel: ControlChannel['kind'] }> {
  const config = (await readJsonFile(join(stateDirectory, 'host-config.json'))) as
    | { runDirectory?: unknown; main?: { argv?: unknown } }
    | undefined;
  const argv: unknown[] = Array.isArray(config?.main?.argv) ? config.main.argv : [];
  const memoryBytes = Number.parseInt(String(argv[argv.indexOf('-m') + 1]), 10);
  if (typeof config?.runDirectory === 'string' && memoryBytes > 0) {
    const channel = argv.includes('-fw_cfg') ? 'tcp' : 'vsock';
    return { directory: config.runDirectory, memoryBytes, channel };
  }
  throw new ZlayerError('NOT_FOUND', `no machine was launched in ${stateDirectory}`, { subject: stateDirectory });
}
