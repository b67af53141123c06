/** What a machine of this process is made of. Every path is absolute. */
export interface VzMachineConfig {
  /** On Apple silicon not compressed. */
  kernel: string;
  initramfs: string;
  /** `console=hvc0` is put in front. */
  commandLine: string;
  cpus: number;
  /** In whole MiB. */
  memoryBytes: number;
  /** Over virtio-fs. */
  shares: readonly { tag: string; path: string; readOnly: boolean }[];
  /** Raw images. */
  disks: readonly { path: string; readOnly: boolean; serial: string; cache: 'cached' | 'direct' | 'unsafe' }[];
  /** Whether the guest gets Rosetta, as the share `rosetta`; the framework refuses where it is not installed. Default: `false`. */
  rosetta?: boolean | undefined;
  /** Behind the host's NAT; `mac: null`: the framework chooses one. */
  network: { mac: string | null } | null;
}
