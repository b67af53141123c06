import { createHash } from 'node:crypto';
import type { MessageOf } from '@zlayer/vzagent-proto';
import type { AgentConnection } from './agent-connection.ts';

/** Docker's default capabilities, without CAP_MKNOD. */
export const CAPABILITIES = 0xa004_25fbn;

export type StartFields = Partial<Omit<MessageOf<'Start'>, 'type' | 'argv'>>;
export type ExecuteFields = Partial<Omit<MessageOf<'Execute'>, 'type' | 'argv'>>;

const simplest = {
  env: [['PATH', '/bin']],
  cwd: null,
  user: '',
  groups: [],
  rlimits: [],
  capabilities: CAPABILITIES,
  noNewPrivileges: false,
  tty: null,
  stdin: false,
  spoolBytes: 256 * 1024,
  whenFull: 'block',
} as const;

/** A Start of the share `rootfs` below a layer in memory; what is not given is the simplest. */
export function startOf(argv: readonly string[], fields: StartFields = {}): MessageOf<'Start'> {
  return {
    type: 'Start',
    ...simplest,
    argv,
    root: {
      ...{ lower: 'share', lowerSource: 'rootfs', upper: 'tmpfs', upperSource: '', upperBytes: null, readonly: false },
    },
    mounts: [],
    names: { hostname: 'box', dnsServers: [], dnsSearch: [], dnsOptions: [], hosts: [] },
    limits: { cpuQuotaMicros: null, memoryBytes: null, pids: null },
    init: true,
    stopSignal: 15,
    ...fields,
  };
}

export function executeOf(argv: readonly string[], fields: ExecuteFields = {}): MessageOf<'Execute'> {
  return { type: 'Execute', ...simplest, argv, whenLost: 'end', ...fields };
}

/** What came of a process on the connection that has its part. */
export interface Ran {
  stdout: string;
  stderr: string;
  digest: string;
  bytes: number;
  firstOffset: number;
  exit: MessageOf<'ProcessExited'>;
}

/** Collects output to the exit, acknowledging it, and checks that offsets and order are right on the way. */
export async function collect(connection: AgentConnection, { acknowledge = true } = {}): Promise<Ran> {
  const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  const hash = createHash('sha256');
  let next: number | undefined;
  let firstOffset = 0;
  let bytes = 0;
  for (;;) {
    const message = await connection.next();
    if (message?.type === 'Output') {
      if (next === undefined) firstOffset = message.offset;
      else if (message.offset < next) throw new Error(`output goes back from ${next} to ${message.offset}`);
      next = message.offset + message.data.length;
      bytes += message.data.length;
      hash.update(message.data);
      parts[message.stream].push(message.data);
      if (acknowledge) connection.send({ type: 'OutputTaken', offset: next });
    } else if (message?.type === 'ProcessExited') {
      const [stdout, stderr] = [parts.stdout, parts.stderr].map((list) => Buffer.concat(list).toString());
      return {
        ...{ stdout: stdout ?? '', stderr: stderr ?? '', digest: hash.digest('hex') },
        ...{ bytes, firstOffset, exit: message },
      };
    } else if (message?.type !== 'StdinTaken') {
      throw new Error(`unexpected: ${message === undefined ? 'the end' : JSON.stringify(message)}`);
    }
  }
}
