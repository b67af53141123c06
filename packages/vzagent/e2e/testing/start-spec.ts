import type { AgentClient, AgentProcess, ExecuteSpec, ProcessExit, StartSpec } from '@zlayer/vzagent-proto';

/** What became of a process, with all that it wrote. */
export interface Finished extends ProcessExit {
  stdout: string;
  stderr: string;
}

/** Docker's default capabilities, without CAP_MKNOD. */
const CAPABILITIES = 0xa004_25fbn;

/** A root from the share `rootfs` below memory. */
export const SHARE_ROOT: StartSpec['root'] = {
  lower: 'share',
  lowerSource: 'rootfs',
  upper: 'tmpfs',
  upperSource: '',
  upperBytes: null,
  readonly: false,
};

export type Fields = Partial<StartSpec> & { argv: readonly string[] };

/** A Start with the simplest of everything that is not given: a root from the disk `root` below memory. */
export function startSpec(fields: Fields): StartSpec {
  return {
    ...executeSpec(fields),
    root: { lower: 'erofs', lowerSource: 'root', upper: 'tmpfs', upperSource: '', upperBytes: null, readonly: false },
    mounts: [],
    names: { hostname: null, dnsServers: [], dnsSearch: [], dnsOptions: [], hosts: [] },
    limits: { cpuQuotaMicros: null, memoryBytes: null, pids: null },
    init: true,
    stopSignal: 15,
    ...fields,
  };
}

/** An Execute with the simplest of everything that is not given. */
export function executeSpec(fields: Partial<ExecuteSpec> & { argv: readonly string[] }): ExecuteSpec {
  return {
    env: [['PATH', '/bin']],
    cwd: null,
    user: '',
    groups: [],
    rlimits: [],
    capabilities: CAPABILITIES,
    noNewPrivileges: true,
    tty: null,
    stdin: false,
    spoolBytes: 64 * 1024,
    whenFull: 'block',
    whenLost: 'end',
    ...fields,
  };
}

/** A mount with nothing special about it. */
export function mount(
  fields: Partial<StartSpec['mounts'][number]> & Pick<StartSpec['mounts'][number], 'kind' | 'target'>,
): StartSpec['mounts'][number] {
  return { source: '', subpath: null, readonly: false, bytes: null, mode: null, ...fields };
}

/** Takes everything that a process writes, to its end. */
export async function finish(process: AgentProcess): Promise<Finished> {
  const written = { stdout: '', stderr: '' };
  for await (const { stream, data } of process.output) written[stream] += Buffer.from(data).toString();
  return { ...(await process.exited), ...written };
}

/** Starts a workload that is a shell script, and waits for its end. */
export async function startShell(
  client: AgentClient,
  script: string,
  fields: Partial<StartSpec> = {},
): Promise<Finished> {
  return finish(await client.start(startSpec({ ...fields, argv: ['/bin/sh', '-c', script] })));
}

/** Runs a shell script beside the workload, as root. */
export async function shell(client: AgentClient, script: string): Promise<Finished> {
  return finish(await client.execute(executeSpec({ argv: ['/bin/sh', '-c', script] })));
}
