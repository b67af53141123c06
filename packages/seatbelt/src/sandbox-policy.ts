/** What a process may do. Whatever is not here is denied. Every path is an absolute path of the host: there is no chroot. */
export interface SandboxPolicy {
  /** The container's own files: read, executed and, unless `readOnlyRoot`, written. */
  rootfs: string;
  /** Default: false. */
  readOnlyRoot?: boolean | undefined;
  /** The container's other writable folder, for temporary files. */
  workspace: string;
  /** Further folders or files. Where one lies in another, the inner one's access counts there. */
  folders?: readonly SandboxFolder[] | undefined;
  /** Whether the system's programs in `/bin`, `/sbin`, `/usr/bin`, `/usr/sbin`, `/usr/libexec` can run. Default: true. */
  platformPrograms?: boolean | undefined;
  /** `metal` compiles shaders, `mps` is enough for Metal Performance Shaders. Default: `none`. */
  gpu?: SandboxGpu | undefined;
  /** Default: `{ mode: 'none' }`. */
  network?: SandboxNetwork | undefined;
  /** Unix sockets that can be used whatever `network` says. */
  unixSockets?: readonly SandboxSocket[] | undefined;
  /** What the system's log adds to denials, so that `watchViolations` finds them: 1 to 64 letters, digits, `-`, `_`. */
  tag?: string | undefined;
}

export type SandboxGpu = 'none' | 'metal' | 'mps';

export interface SandboxFolder {
  /** The path on the host, never the target of a bind. */
  path: string;
  access: 'read' | 'write';
  /** Which of the spec's `storage` it comes from, counted from 0; the profile's comments name it. */
  storage?: number | undefined;
}

export type SandboxNetwork =
  | { mode: 'none' }
  | {
      mode: 'localhost';
      /** Ports that can be bound on loopback addresses, and accept connections there. */
      bindPorts: readonly number[];
      /** Ports of loopback addresses that can be connected to. */
      connectPorts: readonly number[];
      /** Ports of any host that can be connected to; with one of them, names can be looked up. Default: none. */
      outboundPorts?: readonly number[] | undefined;
    }
  | { mode: 'full' };

export interface SandboxSocket {
  path: string;
  /** `listen` also lets it be connected to. */
  access: 'connect' | 'listen';
}
