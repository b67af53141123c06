interface MachineParts {
  cpus: number;
  /** In whole MiB. */
  memoryBytes: number;
  /** Over virtio-fs: by their tags in a Linux guest, as folders of `/Volumes/My Shared Files` in one that runs macOS. */
  shares: readonly { tag: string; path: string; readOnly: boolean }[];
  /** Raw images. A guest that runs macOS starts from the first. */
  disks: readonly { path: string; readOnly: boolean; serial: string; cache: 'cached' | 'direct' | 'unsafe' }[];
  /** Behind the host's NAT; `mac: null`: the framework chooses one. */
  network: { mac: string | null } | null;
}

/** What a machine of this process is made of whose guest is a Linux. Every path is absolute. */
export interface VzLinuxMachineConfig extends MachineParts {
  /** On Apple silicon not compressed. */
  kernel: string;
  initramfs: string;
  /** `console=hvc0` is put in front. */
  commandLine: string;
  /** Whether the guest gets Rosetta, as the share `rosetta`; the framework refuses where it is not installed. Default: `false`. */
  rosetta?: boolean | undefined;
  macos?: undefined;
}

/** What makes a guest one that runs macOS. Apple silicon alone has such guests, and a host runs two of them at most. */
export interface VzMacGuest {
  /** Base64, as the image says or `MacGuestTools.loadRestoreImage` does. */
  hardwareModel: string;
  /** Base64, of `MacGuestTools.newMachineIdentifier`: no two guests that run may have the same. */
  machineIdentifier: string;
  /** The path of a file that was made for this hardware model. */
  auxiliaryStorage: string;
  /** Without one macOS does not start. */
  display: { width: number; height: number; pixelsPerInch: number };
}

/** What a machine is made of whose guest runs macOS. */
export interface VzMacMachineConfig extends MachineParts {
  macos: VzMacGuest;
}

export type VzMachineConfig = VzLinuxMachineConfig | VzMacMachineConfig;
