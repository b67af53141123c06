import { writeFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import {
  attachHost,
  emptyRunDirectory,
  type HostConfig,
  hostProgramPath,
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
import { CONTROL_PORT } from '@zlayer/vzagent-proto';
import { addFirstProgram, makeGuestRoot } from './guest-root.ts';
import { krunHostPath } from './krun-host-path.ts';
import { KrunVm } from './krun-vm.ts';
import { hypervisorFault } from './kvm.ts';
import { type Libkrun, probeLibkrun } from './libkrun.ts';
import { CONSOLE_DESCRIPTOR, machineConfig, NETWORK_DESCRIPTOR } from './machine-config.ts';
import { findPasst, hasDefaultRoute, passtArguments } from './passt.ts';

const MIN_MEMORY_BYTES = 128 * 1024 ** 2;
const START_TIMEOUT_MS = 20_000;
const STOP_GRACE_MS = 1000;
const CONSOLE_BYTES = 1024 * 1024;

export interface KrunDriverOptions {
  /** The path of libkrun. Default: the environment's `ZLAYER_LIBKRUN`, or where systems keep it. */
  library?: string | undefined;
  /** A `krun-host` other than this package's. */
  hostProgram?: string | undefined;
  /** What boots: libkrun's own kernel, or that of the guest bundle. Default: `libkrunfw`. */
  kernel?: 'libkrunfw' | 'bundle' | undefined;
  /** What its guests are. Default: what this machine is. */
  architecture?: Architecture | undefined;
  /** The path of passt, which machines reach the outside through; `null`: they do not. Default: where `PATH` has it. */
  passt?: string | null | undefined;
  /** Whether `availability` looks for KVM. `false` is for a library that needs none. Default: `true`. */
  needsKvm?: boolean | undefined;
}

/** Runs virtual machines with libkrun: each is a process of its own, a `krun-host`, confined to the files that it needs. */
export class KrunDriver implements VmDriver {
  readonly name = 'krun';
  readonly pauses = false;
  readonly disksAre = 'in-order';
  readonly bringsKernel: boolean;
  readonly #options: KrunDriverOptions;
  readonly #architecture: Architecture;
  /** A library does not change while it is in use. */
  #library: Promise<Libkrun> | undefined;

  constructor(options: KrunDriverOptions = {}) {
    this.#options = options;
    this.bringsKernel = options.kernel !== 'bundle';
    this.#architecture = options.architecture ?? (process.arch === 'arm64' ? 'arm64' : 'amd64');
  }

  async availability(): Promise<Availability> {
    if (process.platform !== 'linux' && !(process.platform === 'darwin' && process.arch === 'arm64')) {
      const reason = `libkrun does not run on ${process.platform} with ${process.arch}`;
      return { available: false, reason, remedy: 'It needs Linux with KVM, or a Mac with Apple silicon.' };
    }
    try {
      const { version, net, blk, jail } = await this.#probe();
      if (!blk)
        return { available: false, reason: 'this libkrun was built without disks', remedy: 'Build it with BLK=1.' };
      if (!jail) return noJail();
      const fault = this.#options.needsKvm === false ? undefined : await hypervisorFault();
      if (fault !== undefined) return { available: false, ...fault };
      const outside = await this.#outside(net);
      const note = 'passt' in outside ? 'network by passt' : `no connections to the outside: ${outside.without}`;
      return { available: true, notes: [`libkrun ${version} or later`, note] };
    } catch (error) {
      if (!(error instanceof ZlayerError)) throw error;
      return { available: false, reason: error.message, remedy: error.remedy ?? 'Install libkrun again.' };
    }
  }

  async limits(): Promise<VmLimits> {
    const { maxCpus } = await this.#probe();
    return {
      // With more processors than the host has, a machine hangs.
      maxCpus: Math.min(availableParallelism(), maxCpus ?? Number.POSITIVE_INFINITY),
      minMemoryBytes: MIN_MEMORY_BYTES,
      maxMemoryBytes: totalmem(),
      architectures: [this.#architecture],
    };
  }

  async launch(config: VmConfig, options: LaunchOptions = {}): Promise<Vm> {
    this.#check(config);
    const { stateDirectory } = config;
    const directory = await emptyRunDirectory({ stateDirectory, statusFile: statusFile(stateDirectory) });
    const vsock = join(directory, 'vsock.sock');
    const ports = [...(options.listen?.keys() ?? [])];
    const listeners: VsockListener[] = [];
    try {
      const hostConfig = await this.#hostConfig(config, directory, ports);
      // They listen before the guest boots, so that its first call finds them.
      for (const [port, onConnection] of options.listen ?? []) {
        listeners.push(await listenVsock(vsock, port, onConnection));
      }
      const host = await launchHost(hostConfig, { signal: options.signal });
      void host.exited.then(
        () => closeAll(listeners),
        () => closeAll(listeners),
      );
      return new KrunVm(host, vsock, ports);
    } catch (error) {
      await closeAll(listeners);
      await removeRunDirectory(directory);
      throw error;
    }
  }

  async attach(stateDirectory: string): Promise<Vm> {
    const { runDirectory, ports } = await readMachine(stateDirectory);
    const controlSocket = join(runDirectory, 'control.sock');
    const host = await attachHost({ statusFile: statusFile(stateDirectory), controlSocket });
    return new KrunVm(host, join(runDirectory, 'vsock.sock'), ports);
  }

  #check({ architecture, cpus }: VmConfig): void {
    if (architecture !== this.#architecture) {
      throw new ZlayerError('START_FAILED', `libkrun runs ${this.#architecture} guests here, not ${architecture}`, {
        remedy: `Use an image for linux/${this.#architecture}.`,
      });
    }
    if (cpus <= availableParallelism()) return;
    throw new ZlayerError('INVALID_SPEC', `${cpus} processors are more than this host has, with which libkrun hangs`);
  }

  async #hostConfig(config: VmConfig, directory: string, ports: readonly number[]): Promise<HostConfig> {
    const { stateDirectory, consoleFile, consoleBytes = CONSOLE_BYTES, network } = config;
    const { library, net } = await this.#probe();
    const outside = network.type === 'user' ? await this.#outside(net) : undefined;
    const passt = outside !== undefined && 'passt' in outside ? outside.passt : undefined;
    const log = (name: string): string => join(stateDirectory, `${name}.log`);
    const consoleSocket = join(directory, 'console.sock');
    const networkSocket = join(directory, 'passt.sock');
    const machineFile = join(stateDirectory, 'krun.json');
    const guestListens = (port: number): boolean => port === CONTROL_PORT;
    const boot = await this.#boot(config);
    const machine = await machineConfig(config, {
      ...{ library, hasNetwork: passt !== undefined },
      ...boot,
      ports: [CONTROL_PORT, ...ports].map((port) => ({
        ...{ port, path: join(directory, `vsock.sock_${port}`), guestListens: guestListens(port) },
      })),
    });
    await writeFile(machineFile, JSON.stringify(machine), { mode: 0o600 });
    const consoleArguments = [hostProgramPath(), '--console', consoleSocket, consoleFile, String(consoleBytes)];
    return {
      statusFile: statusFile(stateDirectory),
      controlSocket: join(directory, 'control.sock'),
      onOwnerExit: config.onOwnerExit,
      stopGraceMs: STOP_GRACE_MS,
      startTimeoutMs: START_TIMEOUT_MS,
      runDirectory: directory,
      helpers: [
        { name: 'console', argv: consoleArguments, log: log('console-helper') },
        ...(passt === undefined
          ? []
          : [{ name: 'passt', argv: passtArguments(passt, networkSocket), log: log('passt') }]),
      ],
      connections: [
        { path: consoleSocket, descriptor: CONSOLE_DESCRIPTOR },
        ...(passt === undefined ? [] : [{ path: networkSocket, descriptor: NETWORK_DESCRIPTOR }]),
      ],
      main: { name: 'krun-host', argv: [this.#program(), machineFile], log: log('krun-host') },
    };
  }

  async #boot({
    stateDirectory,
    initramfs,
  }: VmConfig): Promise<{ root: string | undefined; initramfs: string | undefined }> {
    if (this.bringsKernel) {
      const root = join(stateDirectory, 'krun-root');
      await makeGuestRoot(root, this.#architecture);
      return { root, initramfs: undefined };
    }
    const own = join(stateDirectory, 'krun-initramfs');
    if (initramfs !== undefined) await addFirstProgram(initramfs, this.#architecture, own);
    return { root: undefined, initramfs: own };
  }

  /** What machines reach the outside through, or why they do not. */
  async #outside(net: boolean): Promise<{ passt: string } | { without: string }> {
    if (!net) return { without: 'this libkrun was built without network devices' };
    const { passt = findPasst() } = this.#options;
    if (passt === null) return { without: 'passt is not wanted' };
    if (passt === undefined) return { without: 'passt is not installed' };
    return (await hasDefaultRoute()) ? { passt } : { without: 'this machine has no default route' };
  }

  #probe(): Promise<Libkrun> {
    this.#library ??= probeLibkrun(this.#program(), { library: this.#options.library }).catch((error: unknown) => {
      // It may be installed by the next time.
      this.#library = undefined;
      throw error;
    });
    return this.#library;
  }

  #program(): string {
    return this.#options.hostProgram ?? krunHostPath();
  }
}

const statusFile = (stateDirectory: string): string => join(stateDirectory, 'vm.json');

const noJail = (): Availability => ({
  available: false,
  reason: 'this kernel has no Landlock, without which a guest of libkrun reaches all files of its host',
  remedy: 'Use Linux 5.13 or later with `landlock` among its security modules (lsm=).',
});

async function closeAll(listeners: readonly VsockListener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()));
}

/** What the machine's host program was told. */
async function readMachine(stateDirectory: string): Promise<{ runDirectory: string; ports: number[] }> {
  const config = (await readJsonFile(join(stateDirectory, 'host-config.json'))) as
    | { runDirectory?: unknown }
    | undefined;
  const machine = (await readJsonFile(join(stateDirectory, 'krun.json'))) as { ports?: unknown } | undefined;
  const ports: unknown[] = Array.isArray(machine?.ports) ? machine.ports : [];
  if (typeof config?.runDirectory === 'string' && machine !== undefined) {
    const numbers = ports.map((port) => Number((port as { port?: unknown }).port));
    return { runDirectory: config.runDirectory, ports: numbers.filter((port) => port !== CONTROL_PORT) };
  }
  throw new ZlayerError('NOT_FOUND', `no machine was launched in ${stateDirectory}`, { subject: stateDirectory });
}
