import { join } from 'node:path';
import {
  attachHost,
  emptyRunDirectory,
  type LaunchOptions,
  launchHost,
  listenVsock,
  readJsonFile,
  removeRunDirectory,
  type Vm,
  type VmConfig,
  type VmDriver,
  type VmLimits,
  type VsockListener,
} from '@zlayer/host';
import { type Architecture, type Availability, ZlayerError } from '@zlayer/runtime-core';
import { queryVzHost, type VzSupport, vzHostPath, vzSupport } from '@zlayer/vz-native';
import { findInProcess, forgetInProcess, launchInProcess } from './in-process-machines.ts';
import { machineConfig, macOf } from './machine-config.ts';
import { VzVm, type VzVmNetwork } from './vz-vm.ts';

/** Less is of no use to a container, whatever the framework allows. */
const MIN_MEMORY_BYTES = 128 * 1024 ** 2;
const ENTITLEMENT = 'com.apple.security.virtualization';
const START_TIMEOUT_MS = 30_000;
const STOP_GRACE_MS = 1000;

export interface VzDriverOptions {
  /** A `vz-host` other than the one of `@zlayer/vz-native`. */
  hostProgram?: string | undefined;
  /** What its guests are. Default: what this machine is. */
  architecture?: Architecture | undefined;
  /**
   * What holds a machine: a `vz-host` of its own, or this very process, which carries the entitlement itself then (Electron,
   * signed apps) and takes its machines with it when it ends. Default: `process`.
   */
  hosting?: 'process' | 'in-process' | undefined;
  /** Where the host's DHCP server writes down what it has leased. Default: `/var/db/dhcpd_leases`. */
  leasesFile?: string | undefined;
  /** An addon other than that of `@zlayer/vz-native`, for machines in this process. */
  addon?: string | undefined;
}

/** Runs virtual machines with Apple's Virtualization.framework, held by a `vz-host` each, or by this process. */
export class VzDriver implements VmDriver {
  readonly name = 'vz';
  readonly keeps: boolean;
  readonly #hostProgram: string | undefined;
  readonly #architecture: Architecture;
  readonly #addon: string | undefined;
  readonly #leasesFile: string | undefined;

  constructor({ hostProgram, architecture, hosting, addon, leasesFile }: VzDriverOptions = {}) {
    this.#hostProgram = hostProgram;
    this.#addon = addon;
    this.#leasesFile = leasesFile;
    this.keeps = hosting !== 'in-process';
    this.#architecture = architecture ?? (process.arch === 'arm64' ? 'arm64' : 'amd64');
  }

  async availability(): Promise<Availability> {
    try {
      const { supported, entitled } = await this.#support();
      if (!supported) {
        return {
          available: false,
          reason: 'this Mac cannot run virtual machines',
          remedy: 'Virtualization.framework needs a Mac with Apple silicon or with an Intel CPU that virtualizes.',
        };
      }
      if (!entitled) return this.#notEntitled();
      return { available: true };
    } catch (error) {
      if (!(error instanceof ZlayerError)) throw error;
      return { available: false, reason: error.message, remedy: error.remedy ?? 'Install @zlayer/vz-native again.' };
    }
  }

  async limits(): Promise<VmLimits> {
    const { maxCpus, minMemoryBytes, maxMemoryBytes, rosetta } = await this.#support();
    return {
      maxCpus,
      minMemoryBytes: Math.max(minMemoryBytes, MIN_MEMORY_BYTES),
      maxMemoryBytes,
      architectures: [this.#architecture],
      translated: this.#architecture === 'arm64' && rosetta === 'installed' ? ['amd64'] : [],
    };
  }

  async launch(config: VmConfig, options: LaunchOptions = {}): Promise<Vm> {
    if (config.architecture !== this.#architecture) throw await this.#otherArchitecture(config.architecture);
    if (!this.keeps) return await launchInProcess(config, { ...options, addon: this.#addon });
    const program = this.#program();
    const { stateDirectory } = config;
    await forgetInProcess(stateDirectory);
    const directory = await emptyRunDirectory({ stateDirectory, statusFile: statusFile(stateDirectory) });
    const sockets = socketsIn(directory);
    const listeners: VsockListener[] = [];
    try {
      const machine = machineConfig(config, sockets.vsock, [...(options.listen?.keys() ?? [])]);
      // They listen before the guest boots, so that its first call finds them.
      for (const [port, onConnection] of options.listen ?? []) {
        listeners.push(await listenVsock(sockets.vsock, port, onConnection));
      }
      const host = await launchHost(
        {
          statusFile: statusFile(config.stateDirectory),
          controlSocket: sockets.control,
          onOwnerExit: config.onOwnerExit,
          stopGraceMs: STOP_GRACE_MS,
          startTimeoutMs: START_TIMEOUT_MS,
          runDirectory: directory,
          special: { machine },
        },
        { signal: options.signal, program },
      );
      void host.exited.then(
        () => closeAll(listeners),
        () => closeAll(listeners),
      );
      const { memoryBytes } = config;
      const network = this.#network(config.network.type === 'none' ? null : { mac: macOf(config) });
      return new VzVm(host, { vsockSocket: sockets.vsock, memoryBytes, state: 'running', network });
    } catch (error) {
      await closeAll(listeners);
      await removeRunDirectory(directory);
      throw error;
    }
  }

  async attach(stateDirectory: string): Promise<Vm> {
    const found = await findInProcess(stateDirectory);
    if (found !== undefined) return found;
    const { directory, memoryBytes, network } = await readMachine(stateDirectory);
    const sockets = socketsIn(directory);
    const host = await attachHost({ statusFile: statusFile(stateDirectory), controlSocket: sockets.control });
    const { machine } = await host.status().catch(() => ({ machine: undefined }));
    const state = machine === 'paused' ? 'paused' : 'running';
    return new VzVm(host, { vsockSocket: sockets.vsock, memoryBytes, state, network: this.#network(network) });
  }

  #network(network: { mac: string } | null): VzVmNetwork | undefined {
    return network === null ? undefined : { mac: network.mac, leasesFile: this.#leasesFile };
  }

  async #otherArchitecture(wanted: Architecture): Promise<ZlayerError> {
    const own = this.#architecture;
    const isForRosetta = own === 'arm64' && (await this.#support()).rosetta === 'not-installed';
    return new ZlayerError('START_FAILED', `this Mac runs ${own} guests, not ${wanted}`, {
      remedy: isForRosetta
        ? `Use an image for linux/${own}, or install Rosetta: softwareupdate --install-rosetta`
        : `Use an image for linux/${own}.`,
    });
  }

  #support(): Promise<VzSupport> | VzSupport {
    return this.keeps ? queryVzHost(this.#program()) : vzSupport({ addon: this.#addon });
  }

  #notEntitled(): Availability {
    const remedy = this.keeps
      ? 'Sign it with signProgram of @zlayer/vz-native, or install that package again.'
      : "Sign the program with it, or use `hosting: 'process'`.";
    const program = this.keeps ? this.#program() : process.execPath;
    return { available: false, reason: `${program} does not carry the entitlement ${ENTITLEMENT}`, remedy };
  }

  #program(): string {
    return this.#hostProgram ?? vzHostPath();
  }
}

const statusFile = (stateDirectory: string): string => join(stateDirectory, 'vm.json');

const socketsIn = (directory: string): { control: string; vsock: string } => ({
  control: join(directory, 'control.sock'),
  vsock: join(directory, 'vsock.sock'),
});

async function closeAll(listeners: readonly VsockListener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()));
}

/** What the machine's host program was told. The run directory is not made anew: it is gone when the machine is. */
async function readMachine(
  stateDirectory: string,
): Promise<{ directory: string; memoryBytes: number; network: { mac: string } | null }> {
  const config = (await readJsonFile(join(stateDirectory, 'host-config.json'))) as
    | { runDirectory?: unknown; machine?: { memoryBytes?: unknown; network?: { mac?: unknown } | null } }
    | undefined;
  const directory = config?.runDirectory;
  const memoryBytes = config?.machine?.memoryBytes;
  const mac = config?.machine?.network?.mac;
  if (typeof directory === 'string' && typeof memoryBytes === 'number') {
    return { directory, memoryBytes, network: typeof mac === 'string' ? { mac } : null };
  }
  throw new ZlayerError('NOT_FOUND', `no machine was launched in ${stateDirectory}`, { subject: stateDirectory });
}
