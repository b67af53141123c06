import type { Duplex } from 'node:stream';
import type { Architecture, Availability } from '@zlayer/runtime-core';

/** A hypervisor that can run virtual machines, one process each. Nothing above it knows which one it is. */
export interface VmDriver {
  /** Such as `qemu`. */
  readonly name: string;
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
}

/** How a VM, or rather its VMM, ended. `code` and `signal` are both `null` if nobody knows. */
export interface VmExit {
  code: number | null;
  signal: number | null;
  reason: 'exited' | 'stopped' | 'owner-gone' | 'helper-died' | 'start-failed' | 'lost';
  /** For people: what ended, how, and the last lines of its log if it failed. */
  message: string;
}

/** What a VM is made of. Every path is absolute. */
export interface VmConfig {
  /** The driver's own folder for this VM. It exists, belongs to the caller and outlives the VM. */
  stateDirectory: string;
  architecture: Architecture;
  kernel: string;
  initramfs: string;
  /** The kernel's command line; the driver puts its console in front. */
  commandLine: string;
  cpus: number;
  memoryBytes: number;
  shares: readonly VmShare[];
  disks: readonly VmDisk[];
  network: VmNetwork;
  /** The guest's console is appended here. */
  consoleFile: string;
  /** What happens to the VM when the process that owns it ends. */
  onOwnerExit: 'stop' | 'keep';
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
  /** The name that the guest finds it by, at most 20 bytes. */
  serial: string;
}

export type VmNetwork =
  | { type: 'none' }
  /** Outbound connections through the host's own. `mac` is chosen by the driver if it is left out. */
  | { type: 'user'; mac?: string | undefined };

export interface VmLimits {
  maxCpus: number;
  minMemoryBytes: number;
  maxMemoryBytes: number;
  /** What guests may be, the fast ones first. */
  architectures: readonly Architecture[];
  /** How many VMs may run at once on this host; `undefined`: as many as fit. */
  maxRunning?: number | undefined;
}
