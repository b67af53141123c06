/** A program that a host runs. Its standard input is empty. */
export interface HostProgram {
  /** For messages: at most 64 letters, digits, `.`, `_` and `-`. */
  name: string;
  /** An absolute path and its arguments. */
  argv: readonly string[];
  /** Standard output and error are appended to this file. Default: they are discarded. */
  log?: string | null | undefined;
  /**
   * Directories that the program, and all it starts, can only read, whatever it is allowed otherwise. Needs Linux and root.
   * Default: none.
   */
  readOnlyPaths?: readonly string[] | undefined;
}

/** What every host program is told. Every path is absolute. */
export interface CommonHostConfig {
  /** Where the status is kept. Its directory also takes the configuration file, `host-config.json`. */
  statusFile: string;
  /** At most 103 bytes. */
  controlSocket: string;
  /** What happens when the owner ends: at first the process that launched the host. */
  onOwnerExit: 'stop' | 'keep';
  /** How long main may take to end after SIGTERM, in milliseconds. Default: 10 000. */
  stopGraceMs?: number | undefined;
  /** How long helpers may take to listen on the sockets of `connections`. Default: 30 000. */
  startTimeoutMs?: number | undefined;
  /** A directory that is the host's alone and goes away with it. */
  runDirectory?: string | null | undefined;
}

/** What `zlayer-host` is to run. */
export interface HostConfig extends CommonHostConfig {
  /** Started before main, ended with it; when one fails, main is killed. */
  helpers?: readonly HostProgram[] | undefined;
  /** Unix sockets (of helpers) that main gets as connected descriptors, under numbers from 3 to 127. */
  connections?: readonly { path: string; descriptor: number }[] | undefined;
  main: HostProgram;
}

/** What a host program for one hypervisor is to run. */
export interface SpecialHostConfig extends CommonHostConfig {
  /** The keys that it takes in place of `helpers`, `connections` and `main`. */
  special: Readonly<Record<string, unknown>>;
}

/** The configuration file's text, as HOST-CONTRACT.md specifies it. */
export function formatHostConfig(config: HostConfig | SpecialHostConfig): string {
  const common = {
    version: 1,
    statusFile: config.statusFile,
    controlSocket: config.controlSocket,
    onOwnerExit: config.onOwnerExit,
    stopGraceMs: config.stopGraceMs ?? 10_000,
    startTimeoutMs: config.startTimeoutMs ?? 30_000,
    runDirectory: config.runDirectory ?? null,
  };
  if ('special' in config) return JSON.stringify({ ...common, ...config.special });
  return JSON.stringify({
    ...common,
    helpers: (config.helpers ?? []).map(formatProgram),
    connections: (config.connections ?? []).map(({ path, descriptor }) => ({ path, descriptor })),
    main: formatProgram(config.main),
  });
}

function formatProgram({ name, argv, log, readOnlyPaths }: HostProgram): object {
  return { name, argv, log: log ?? null, readOnlyPaths: readOnlyPaths ?? [] };
}
