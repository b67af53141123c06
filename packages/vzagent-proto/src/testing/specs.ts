import type { ExecuteSpec, StartSpec } from '../client/agent-client.ts';

const process = {
  argv: ['/bin/sh', '-c', 'true'],
  env: [['PATH', '/bin']],
  cwd: null,
  user: '',
  groups: [],
  rlimits: [],
  capabilities: 0n,
  noNewPrivileges: true,
  tty: null,
  stdin: true,
  spoolBytes: 1_048_576,
  whenFull: 'block',
} as const;

export const START: StartSpec = {
  ...process,
  root: {
    lower: 'share',
    lowerSource: 'rootfs',
    upper: 'none',
    upperSource: '',
    upperBytes: null,
    readonly: false,
  },
  mounts: [],
  names: { hostname: null, dnsServers: [], dnsSearch: [], dnsOptions: [], hosts: [] },
  limits: { cpuQuotaMicros: null, memoryBytes: null, pids: null },
  init: true,
  stopSignal: 15,
};

export const EXECUTE: ExecuteSpec = { ...process, stdin: false, whenLost: 'end' };
