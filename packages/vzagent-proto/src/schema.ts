/**
 * A postcard type with a fixed meaning: integers by width, a UTF-8 string, a byte vector. `u53` is a `u64` on the wire
 * that is at most 2^53 - 1, so that it is a plain number in JavaScript; a larger one is refused.
 */
export type ScalarType = 'bool' | 'u8' | 'u16' | 'u32' | 'u53' | 'u64' | 'i32' | 'i64' | 'string' | 'bytes';

/** A postcard type: a scalar or something made of other types. Elements of a list take at least one byte each. */
export type FieldType =
  | ScalarType
  | { readonly option: FieldType }
  | { readonly list: FieldType }
  | { readonly tuple: readonly FieldType[] }
  // The name of one of the variants; its index stands on the wire. Variants are only ever added at the end.
  | { readonly enum: string; readonly variants: readonly string[] }
  | { readonly struct: string; readonly fields: Fields };

/** Fields by name, in the order in which they stand on the wire. */
export type Fields = { readonly [name: string]: FieldType };

/** Where a message may travel. */
export type Direction = 'toGuest' | 'toHost' | 'both';

export interface MessageSchema {
  /** The byte after the length prefix. */
  readonly tag: number;
  readonly name: string;
  readonly direction: Direction;
  readonly fields: Fields;
  /**
   * The first of the fields, which other messages have as well: one struct in the C codec. The wire knows nothing of
   * it.
   */
  readonly begins?: { readonly struct: string; readonly fields: Fields };
}

const argv = { list: 'string' } as const;
const env = { list: { tuple: ['string', 'string'] } } as const;
const optionalString = { option: 'string' } as const;
const optionalId = { option: 'u32' } as const;

const wgPeer = {
  struct: 'WgPeer',
  // An empty endpoint is a roaming peer; allowedIps are CIDRs with commas between.
  fields: { publicKey: 'string', endpoint: 'string', allowedIps: 'string', persistentKeepaliveSecs: 'u64' },
} as const;

/** Why a request of the extensions failed. */
const failure = {
  enum: 'FailureKind',
  variants: [
    'invalid', // the request makes no sense as it is
    'notFound', // no such program (127 in a shell), file, process, disk, share
    'notExecutable', // a program that cannot be run (126): no permission, no format, no interpreter
    'unknownUser', // a user or group that the container's /etc/passwd or /etc/group does not have
    'conflict', // not in this state: a workload runs already, none runs, another connection took over
    'gone', // the process has ended
    'exhausted', // out of memory, descriptors, processes, room on a disk
    'refused', // nobody listens where a tunnel should lead
    'unsupported', // this kernel or this agent cannot do it
    'internal',
  ],
} as const;

/** What becomes of the output that no host has acknowledged when `spoolBytes` of it are kept. */
const whenFull = { enum: 'WhenFull', variants: ['block', 'dropOldest'] } as const;

const ttySize = { struct: 'TtySize', fields: { rows: 'u16', columns: 'u16' } } as const;
/** `resource` as in `RLIMIT_NOFILE`, in lower case and without the prefix. No number is no limit. */
const rlimit = {
  struct: 'ResourceLimit',
  fields: { resource: 'string', soft: { option: 'u53' }, hard: { option: 'u53' } },
} as const;

/**
 * The container's root. Disks are named by their serial number (or as `/dev/vda`), shares by their tag. An image
 * (`lower`) below a writable layer (`upper`): memory of at most `upperBytes`, or an ext4 disk. Without an upper the
 * lower itself is the root.
 */
const root = {
  struct: 'Root',
  fields: {
    lower: { enum: 'RootLower', variants: ['share', 'erofs'] },
    lowerSource: 'string',
    upper: { enum: 'RootUpper', variants: ['none', 'tmpfs', 'disk'] },
    upperSource: 'string',
    upperBytes: { option: 'u53' },
    readonly: 'bool',
  },
} as const;

/**
 * A mount below the container's root, made in the order given, before the program runs. `share`: a virtio-fs tag,
 * `subpath` of it (a single file too); `tmpfs`: memory of at most `bytes`, with `mode`; `disk`: an ext4 disk, grown to
 * its device's size.
 */
const mount = {
  struct: 'MountPoint',
  fields: {
    kind: { enum: 'MountKind', variants: ['share', 'tmpfs', 'disk'] },
    source: 'string',
    subpath: optionalString,
    target: 'string',
    readonly: 'bool',
    bytes: { option: 'u53' },
    mode: { option: 'u32' },
  },
} as const;

/** Limits of the whole container: its workload and everything executed in it. Absent is no limit. */
const limits = {
  struct: 'Limits',
  fields: {
    // Microseconds of CPU time in every 100 000 of wall clock: 50 000 is half a CPU.
    cpuQuotaMicros: { option: 'u53' },
    memoryBytes: { option: 'u53' },
    pids: { option: 'u53' },
  },
} as const;

const hostEntry = { struct: 'HostEntry', fields: { name: 'string', address: 'string' } } as const;

/** What the container's resolv.conf and hosts say beside what the network's DHCP gave. */
const names = {
  struct: 'Names',
  fields: {
    hostname: optionalString,
    dnsServers: { list: 'string' },
    dnsSearch: { list: 'string' },
    dnsOptions: { list: 'string' },
    hosts: { list: hostEntry },
  },
} as const;

/** What the workload and every process executed in the container have in common. */
const processFields = {
  argv,
  env,
  cwd: optionalString,
  // `name`, `uid`, `name:group`, `uid:gid`; names are looked up in the container. Empty is root.
  user: 'string',
  // Supplementary groups beside those of /etc/group, by name or number.
  groups: { list: 'string' },
  rlimits: { list: rlimit },
  // The capabilities that the program may have, bit n for capability number n.
  capabilities: 'u64',
  noNewPrivileges: 'bool',
  tty: { option: ttySize },
  // Whether `Stdin` will follow. Without it the program reads the end of file at once; on a terminal, which stays open
  // however it is used, a read waits instead, as it does under Docker.
  stdin: 'bool',
  spoolBytes: 'u32',
  whenFull,
} as const;
const processSpec = { struct: 'ProcessSpec', fields: processFields } as const;

const optionalInt = { option: 'i32' } as const;
const ioStatistics = {
  struct: 'IoStatistics',
  fields: { device: 'string', readBytes: 'u53', writeBytes: 'u53', readOperations: 'u53', writeOperations: 'u53' },
} as const;
const networkStatistics = {
  struct: 'NetworkStatistics',
  fields: {
    interface: 'string',
    receivedBytes: 'u53',
    sentBytes: 'u53',
    receivedPackets: 'u53',
    sentPackets: 'u53',
    receiveErrors: 'u53',
    sendErrors: 'u53',
    receiveDrops: 'u53',
    sendDrops: 'u53',
  },
} as const;
const processEntry = {
  struct: 'ProcessEntry',
  fields: {
    pid: 'i32', // as the container's own processes see it
    parent: 'i32',
    uid: 'u32',
    state: 'string', // one letter, as in /proc/PID/stat
    cpuMicros: 'u53',
    residentBytes: 'u53',
    startedUnixMicros: 'u53',
    command: 'string', // the arguments with spaces between, shortened
  },
} as const;
const interfaceEntry = {
  struct: 'InterfaceEntry',
  fields: { name: 'string', mac: 'string', addresses: { list: 'string' } }, // addresses with their prefix length
} as const;
const overlayFields = {
  overlayIp: 'string',
  prefixLen: 'u8',
  privateKey: 'string',
  listenPort: 'u16',
  peers: { list: wgPeer },
  dnsServer: optionalString,
  dnsDomain: optionalString,
} as const;

/** Every message of the protocol. Types, codecs and the README's table all follow from this one table. */
export const SCHEMA = [
  { tag: 1, name: 'Run', direction: 'toGuest', fields: { argv, env, cwd: optionalString, uid: 'u32', gid: 'u32' } },
  {
    tag: 2,
    name: 'Exec',
    direction: 'toGuest',
    fields: { argv, env, cwd: optionalString, uid: optionalId, gid: optionalId, user: optionalString },
  },
  { tag: 3, name: 'Signal', direction: 'toGuest', fields: { signum: 'i32' } },
  { tag: 4, name: 'Stdout', direction: 'toHost', fields: { data: 'bytes' } },
  { tag: 5, name: 'Stderr', direction: 'toHost', fields: { data: 'bytes' } },
  { tag: 6, name: 'Started', direction: 'toHost', fields: { pid: 'i32' } },
  { tag: 7, name: 'Exited', direction: 'toHost', fields: { code: 'i32' } },
  { tag: 8, name: 'Error', direction: 'both', fields: { message: 'string' } },
  { tag: 9, name: 'Forward', direction: 'toGuest', fields: { port: 'u16' } },
  { tag: 10, name: 'Mount', direction: 'toGuest', fields: { tag: 'string', target: 'string', readonly: 'bool' } },
  { tag: 11, name: 'Stdin', direction: 'toGuest', fields: { data: 'bytes' } },
  { tag: 12, name: 'StdinEof', direction: 'toGuest', fields: {} },
  {
    tag: 13,
    name: 'OverlayConfig',
    direction: 'toGuest',
    fields: overlayFields,
  },
  { tag: 14, name: 'SetTime', direction: 'toGuest', fields: { unixSecs: 'i64' } },

  // Extensions. A request is answered by the message that its comment names, or by Failed.

  // First on a connection, once for a guest: what both sides can do. Answered with the agent's own Hello.
  {
    tag: 32,
    name: 'Hello',
    direction: 'both',
    fields: { version: 'u32', features: { list: 'string' }, software: 'string' },
  },
  { tag: 33, name: 'Done', direction: 'toHost', fields: {} },
  { tag: 34, name: 'Failed', direction: 'toHost', fields: { kind: failure, message: 'string' } },

  // Processes. Start and Execute make the connection the process's own: ProcessStarted, then Output and StdinTaken, at
  // last ProcessExited from the guest; Stdin, StdinEof, OutputTaken, Resize and SignalProcess from the host.
  {
    tag: 40,
    name: 'Start',
    direction: 'toGuest',
    begins: processSpec,
    fields: { ...processFields, root, mounts: { list: mount }, names, limits, init: 'bool', stopSignal: 'i32' },
  },
  {
    tag: 41,
    name: 'Execute',
    direction: 'toGuest',
    begins: processSpec,
    // What becomes of the process when its connection is lost: it ends, or goes on and can be attached to.
    fields: { ...processFields, whenLost: { enum: 'WhenLost', variants: ['end', 'keep'] } },
  },
  // Takes over the connection's part for a process that runs or has ended: process 0 is the workload. Output comes from
  // `offset` on, or from the oldest byte kept, and another connection that had this part gets Failed (conflict).
  { tag: 42, name: 'Attach', direction: 'toGuest', fields: { process: 'u53', offset: { option: 'u53' } } },
  {
    tag: 43,
    name: 'ProcessStarted',
    direction: 'toHost',
    // outputOffset: of the first byte that will come. stdinWindow: most bytes of Stdin that may be under way; 0 says
    // that there is no room now. Whether there is input at all, the host knows from what it started: it is not told
    // again to one that attaches.
    fields: { process: 'u53', pid: 'i32', outputOffset: 'u53', stdinWindow: 'u32' },
  },
  {
    tag: 44,
    name: 'Output',
    direction: 'toHost',
    // offset: of the first byte of `data` in all output of the process, both streams counted together.
    fields: {
      stream: { enum: 'OutputStream', variants: ['stdout', 'stderr'] },
      offset: 'u53',
      unixMicros: 'u53',
      data: 'bytes',
    },
  },
  // Everything before `offset` is safe with the host; the guest forgets it.
  { tag: 45, name: 'OutputTaken', direction: 'toGuest', fields: { offset: 'u53' } },
  // So many more bytes of Stdin may be sent.
  { tag: 46, name: 'StdinTaken', direction: 'toHost', fields: { bytes: 'u32' } },
  {
    tag: 47,
    name: 'ProcessExited',
    direction: 'toHost',
    // code: 128 + N after signal N, which `signal` then names. outputEnd: the offset behind the last byte of output.
    fields: {
      process: 'u53',
      code: 'i32',
      signal: optionalInt,
      oomKilled: 'bool',
      outputEnd: 'u53',
      droppedBytes: 'u53',
    },
  },
  // On any connection; answered with Done.
  {
    tag: 48,
    name: 'SignalProcess',
    direction: 'toGuest',
    fields: { process: 'u53', signum: 'i32', target: { enum: 'SignalTarget', variants: ['process', 'group', 'all'] } },
  },
  // On any connection; answered with Done.
  { tag: 49, name: 'Resize', direction: 'toGuest', fields: { process: 'u53', size: ttySize } },
  // Answered with ProcessExited once the process has ended.
  { tag: 50, name: 'Wait', direction: 'toGuest', fields: { process: 'u53' } },
  // All processes of the container's cgroup, answered with Processes.
  { tag: 51, name: 'ListProcesses', direction: 'toGuest', fields: {} },
  { tag: 52, name: 'Processes', direction: 'toHost', fields: { processes: { list: processEntry } } },
  // Stops every process of the container where it is, and lets them go on; answered with Done when it is so.
  { tag: 53, name: 'Freeze', direction: 'toGuest', fields: {} },
  { tag: 54, name: 'Thaw', direction: 'toGuest', fields: {} },
  // Answered with Done at once. Then: the workload's stop signal, `graceMillis`, SIGKILL, file systems synchronized,
  // power off.
  { tag: 55, name: 'Shutdown', direction: 'toGuest', fields: { graceMillis: 'u32' } },
  // Lets an executed process go on by itself; on any connection, answered with Done. Its input ends, but on a terminal,
  // which stays open; nothing it writes is kept, and it outlives its connection, which gets Failed (conflict).
  { tag: 56, name: 'Detach', direction: 'toGuest', fields: { process: 'u53' } },

  // The machine.
  // Answered with Statistics.
  { tag: 60, name: 'GetStatistics', direction: 'toGuest', fields: {} },
  {
    tag: 61,
    name: 'Statistics',
    direction: 'toHost',
    // Of the container's cgroup, but for guest* and networks, which are the machine's. Absent: the kernel does not say.
    fields: {
      unixMicros: 'u53',
      cpuMicros: 'u53',
      cpuUserMicros: 'u53',
      cpuSystemMicros: 'u53',
      cpuThrottledMicros: { option: 'u53' },
      memoryBytes: 'u53',
      memoryPeakBytes: { option: 'u53' },
      memoryCacheBytes: { option: 'u53' },
      memoryLimitBytes: { option: 'u53' },
      oomKills: 'u53',
      pids: 'u53',
      pidsLimit: { option: 'u53' },
      guestMemoryBytes: 'u53',
      guestMemoryAvailableBytes: 'u53',
      io: { list: ioStatistics },
      networks: { list: networkStatistics },
    },
  },
  // Answered with Done.
  { tag: 62, name: 'SetClock', direction: 'toGuest', fields: { unixMicros: 'u53' } },
  // Answered with Network.
  { tag: 63, name: 'GetNetwork', direction: 'toGuest', fields: {} },
  {
    tag: 64,
    name: 'Network',
    direction: 'toHost',
    fields: { interfaces: { list: interfaceEntry }, gateway: optionalString, dnsServers: { list: 'string' } },
  },
  // OverlayConfig with an answer: Done.
  { tag: 65, name: 'ConfigureOverlay', direction: 'toGuest', fields: overlayFields },
  // Answered with Done; from then on the connection brings Network whenever an address changes, OomKilled and
  // MemoryPressure (with a threshold: when processes waited for memory for `stallMicros` of a `windowMicros`).
  {
    tag: 66,
    name: 'Watch',
    direction: 'toGuest',
    fields: {
      pressure: { option: { struct: 'PressureThreshold', fields: { stallMicros: 'u32', windowMicros: 'u32' } } },
    },
  },
  { tag: 67, name: 'OomKilled', direction: 'toHost', fields: { unixMicros: 'u53', kills: 'u53' } },
  { tag: 68, name: 'MemoryPressure', direction: 'toHost', fields: { unixMicros: 'u53', memoryBytes: 'u53' } },

  // Streams. Connect, ArchiveGet and ArchivePut make the connection a stream's own. Data and End go each way; a lost
  // connection is a reset.

  // Answered with Done, then Data both ways (with udp one frame is one datagram); End closes one way, Reset both.
  {
    tag: 70,
    name: 'Connect',
    direction: 'toGuest',
    // address: an IP address of the guest, empty for loopback (127.0.0.1, then ::1), or the path of a Unix socket in
    // the container.
    fields: { protocol: { enum: 'TunnelProtocol', variants: ['tcp', 'udp', 'unix'] }, address: 'string', port: 'u16' },
  },
  { tag: 71, name: 'Data', direction: 'both', fields: { data: 'bytes' } },
  { tag: 72, name: 'End', direction: 'both', fields: {} },
  { tag: 73, name: 'Reset', direction: 'both', fields: { message: 'string' } },
  // A tar stream of `path` in the container, named as its last segment: FileInfo, Data, End; or Failed, also between
  // Data.
  { tag: 74, name: 'ArchiveGet', direction: 'toGuest', fields: { path: 'string' } },
  // Data and End from the host are a tar stream that is unpacked in the folder `path`; answered with Done at its end,
  // or Failed at once.
  {
    tag: 75,
    name: 'ArchivePut',
    direction: 'toGuest',
    // keepOwners: as the archive has them, by number; else all belongs to root. replaceFolders: a file may take a
    // folder's place and back.
    fields: { path: 'string', keepOwners: 'bool', replaceFolders: 'bool' },
  },
  // Answered with FileInfo.
  { tag: 76, name: 'ArchiveHead', direction: 'toGuest', fields: { path: 'string' } },
  {
    tag: 77,
    name: 'FileInfo',
    direction: 'toHost',
    // mode: with the file type, as stat has it.
    fields: {
      name: 'string',
      bytes: 'u53',
      mode: 'u32',
      uid: 'u32',
      gid: 'u32',
      modifiedUnixMicros: 'i64',
      linkTarget: optionalString,
    },
  },
] as const satisfies readonly MessageSchema[];

const FIRST_EXTENSION_TAG = 32;

/** The number with which the payload of a message begins. */
export function discriminantOf(tag: number): number {
  return tag < FIRST_EXTENSION_TAG ? tag - 1 : tag;
}
