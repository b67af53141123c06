import type { Duplex } from 'node:stream';
import { type Architecture, type Availability, ZlayerError } from '@zlayer/runtime-core';
import type { ProcessStatistics } from './process-statistics.ts';

/** A hypervisor that can run virtual machines, one process each. Nothing above it knows which one it is. */
export interface VmDriver {
  /** Such as `qemu`. */
  readonly name: string;
  /** Whether its VMs can outlive the process that launched them (`onOwnerExit: 'keep'`). Default: `true`. */
  readonly keeps?: boolean | undefined;
  /** Whether its VMs can stand still. Default: `true`. */
  readonly pauses?: boolean | undefined;
  /** Whether it boots a kernel of its own, so that a `VmConfig` has none. Default: `false`. */
  readonly bringsKernel?: boolean | undefined;
  /**
   * How a guest finds a disk: by its serial, or only by its place among the disks, as `/dev/vda` and so on. Default:
   * `serial`.
   */
  readonly disksAre?: 'serial' | 'in-order' | undefined;
  /** Whether it can be used here, and if not, what to do about it. */
  availability(): Promise<Availability>;
  limits(): Promise<VmLimits>;
  /**
   * Starts a VM. Resolves as soon as its VMM runs, which is before the guest has booted.
   *
   * @throws ZlayerError `START_FAILED`; everything that was begun has been undone then.
   */
  launch(config: VmConfig, options?: LaunchOptions): Promise<Vm>;
  /**
   * Finds the VM that an earlier `launch`, of this or of another process, has left in a state directory. A VM that has
   * ended is found too: its `exited` tells how.
   *
   * @throws ZlayerError `NOT_FOUND` if none was ever launched there.
   */
  attach(stateDirectory: string): Promise<Vm>;
}

export interface LaunchOptions {
  signal?: AbortSignal | undefined;
  /** Takes vsock connections that the guest opens to a port of the host, from before it boots until the VM has ended. */
  listen?: ReadonlyMap<number, (connection: Duplex) => void> | undefined;
}

export type VmState = 'running' | 'paused' | 'stopped';

/** A running virtual machine, or one that ran. */
export interface Vm {
  readonly state: VmState;
  /** Settles when the VM has ended and nothing of it is left. Never rejects while the VM is in use. */
  readonly exited: Promise<VmExit>;
  /** Opens a vsock connection to a port of the guest. */
  connect(port: number, options?: { signal?: AbortSignal | undefined }): Promise<Duplex>;
  /** Takes vsock connections that the guest opens to a port of the host (CID 2), until the result is disposed of. */
  listen(port: number, onConnection: (connection: Duplex) => void): Promise<AsyncDisposable>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Presses the guest's power button. What the guest does about it shows in `exited`. */
  requestStop(): Promise<void>;
  /** Ends the VM at once. */
  kill(): Promise<VmExit>;
  /**
   * Asks the guest to make do with less memory than it was started with, or gives it back: a balloon in the guest takes
   * what is above the target, and lets go of it again rather than have the guest run out. Resolves when the guest has been
   * told, which is before it has done so: `memory` tells how far it is. Absent where a driver cannot.
   *
   * @throws ZlayerError `INVALID_SPEC` for less than 16 MiB or more than the VM's memory, `CONFLICT` while it is paused.
   */
  setMemoryTarget?(bytes: number, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  /** How much memory the guest has now. Absent where a driver cannot tell. */
  memory?(options?: { signal?: AbortSignal | undefined }): Promise<VmMemory>;
  /** The guest's address as the host's DHCP server knows it. Absent where a driver cannot tell. */
  address?(): Promise<string | undefined>;
  /** What the VM costs the host. Absent where a driver cannot tell. */
  statistics?(): Promise<ProcessStatistics>;
}

/** The memory of a guest, in bytes. */
export interface VmMemory {
  /** What it was started with. */
  totalBytes: number;
  /** What the balloon has left it. */
  actualBytes: number;
}

/** How a VM, or rather its VMM, ended. `code` and `signal` are both `null` if nobody knows. */
export interface VmExit {
  code: number | null;
  signal: number | null;
  reason: 'exited' | 'stopped' | 'owner-gone' | 'helper-died' | 'start-failed' | 'lost';
  /** For people: what ended, how, and the last lines of its log if it failed. */
  message: string;
  /** What the guest did to end it, where that is known. */
  guest?: 'powered-off' | 'reset' | 'panicked' | undefined;
}

/** What a VM is made of. Every path is absolute. */
export interface VmConfig {
  /** The driver's own folder for this VM. It exists, belongs to the caller and outlives the VM. */
  stateDirectory: string;
  architecture: Architecture;
  /** Programs of this architecture run in the guest as well: the driver brings a translator, if its limits say it has one. */
  translated?: Architecture | undefined;
  /** Absent for a driver that brings a kernel of its own, as is the initramfs. */
  kernel?: string | undefined;
  initramfs?: string | undefined;
  /** The kernel's command line; the driver puts its console in front. */
  commandLine: string;
  cpus: number;
  memoryBytes: number;
  shares: readonly VmShare[];
  disks: readonly VmDisk[];
  network: VmNetwork;
  /** The guest's console is appended here. It has at most `consoleBytes`: the older part goes when it would become longer. */
  consoleFile: string;
  /** From 4096 to 1 GiB. Default: 1 MiB. */
  consoleBytes?: number | undefined;
  /** What happens to the VM when the process that owns it ends. */
  onOwnerExit: 'stop' | 'keep';
}

/** What to boot. @throws ZlayerError `INVALID_SPEC` without a kernel and an initramfs. */
export function bootFiles({ kernel, initramfs }: VmConfig): { kernel: string; initramfs: string } {
  if (kernel !== undefined && initramfs !== undefined) return { kernel, initramfs };
  throw new ZlayerError('INVALID_SPEC', 'a virtual machine needs a kernel and an initramfs');
}

/** A directory of the host in the guest, over virtio-fs. */
export interface VmShare {
  /** The name that the guest mounts it by, at most 36 bytes. */
  tag: string;
  path: string;
  readOnly: boolean;
}

/** A block device of raw bytes. */
export interface VmDisk {
  path: string;
  readOnly: boolean;
  /** The name that the guest finds it by, 1 to 20 bytes of letters, digits, `.`, `_`, `-`; each VM's are different. */
  serial: string;
  /**
   * What a guest's "flush" means. `cached`: the host's page cache takes what is written, and a flush puts it on the disk.
   * `direct`: the same, past the page cache. `unsafe`: flushes are ignored, for what nobody misses after a crash of the
   * host. Default: `cached`. What the guest discards, or writes zeroes to, takes no room on the host in any of them.
   */
  cache?: 'cached' | 'direct' | 'unsafe' | undefined;
}

export type VmNetwork =
  | { type: 'none' }
  /**
   * Outbound connections through the host's own; nobody can connect to the guest. The guest gets its address and its name
   * server by DHCP; the router that DHCP names is the host itself.
   */
  | {
      type: 'user';
      /** Chosen by the driver if it is left out. */
      mac?: string | undefined;
      /** The guest reaches nobody, neither the host nor what is behind it. Default: `false`. */
      restricted?: boolean | undefined;
    };

export interface VmLimits {
  maxCpus: number;
  minMemoryBytes: number;
  maxMemoryBytes: number;
  /** What guests may be, the fast ones first. */
  architectures: readonly Architecture[];
  /** Whose programs guests of the first of them can run through a translator. Default: none. */
  translated?: readonly Architecture[] | undefined;
  /** How many VMs may run at once on this host; `undefined`: as many as fit. */
  maxRunning?: number | undefined;
}
