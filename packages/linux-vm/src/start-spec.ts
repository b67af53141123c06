import type { StoredImage } from '@zlayer/oci-pull';
import {
  type ContainerId,
  formatContainerId,
  mergeCommand,
  mergeEnv,
  type ServiceSpec,
  signalNumber,
} from '@zlayer/runtime-core';
import type { ExecuteSpec, StartSpec } from '@zlayer/vzagent-proto';
import type { ContainerRecord } from './container-record.ts';
import { capabilityMask } from './linux-capabilities.ts';

const DEFAULT_STOP_SIGNAL = 'SIGTERM';
const UNLIMITED = -1;
const QUOTA_PERIOD_MICROS = 100_000;

/** Output that the guest keeps while nobody takes it, before the workload has to wait. */
export const SPOOL_BYTES = 1024 * 1024;

/** The size of a terminal until somebody says another. */
export const TERMINAL = { rows: 24, columns: 80 };

/** What an image and a spec say together about the process to start. */
export function processOf({ config }: StoredImage, spec: ServiceSpec): ContainerRecord['process'] {
  const cwd = spec.command.workdir ?? (config.workingDir || undefined);
  return {
    argv: mergeCommand({ entrypoint: config.entrypoint, command: config.cmd }, spec.command),
    env: mergeEnv(config.env, spec.env),
    ...(cwd === undefined ? {} : { cwd }),
    user: spec.user ?? config.user,
    stopSignal: signalNumber(spec.stopSignal ?? (config.stopSignal || DEFAULT_STOP_SIGNAL)),
  };
}

/** Everything about the workload, in the one message that starts it. */
export function startSpec(
  { id, spec, process }: Pick<ContainerRecord, 'id' | 'spec' | 'process'>,
  { root, mounts, memoryBytes }: Pick<StartSpec, 'root' | 'mounts'> & { memoryBytes: number },
): StartSpec {
  return {
    ...commonOf({ spec, process }),
    argv: process.argv,
    tty: spec.tty ? TERMINAL : null,
    stdin: spec.openStdin,
    spoolBytes: SPOOL_BYTES,
    whenFull: 'block',
    root,
    mounts,
    names: namesOf(id, spec),
    limits: { cpuQuotaMicros: cpuQuota(spec.resources.cpu), memoryBytes, pids: spec.resources.pids ?? null },
    init: spec.init,
    stopSignal: process.stopSignal,
  };
}

/** A further process in the container, without what only its caller knows. */
export function executeSpec(
  record: Pick<ContainerRecord, 'spec' | 'process'>,
): Omit<ExecuteSpec, 'argv' | 'tty' | 'stdin'> {
  return { ...commonOf(record), spoolBytes: SPOOL_BYTES, whenFull: 'block', whenLost: 'end' };
}

function commonOf({ spec, process }: Pick<ContainerRecord, 'spec' | 'process'>) {
  return {
    env: process.env,
    cwd: process.cwd ?? null,
    user: process.user,
    groups: [],
    rlimits: Object.entries(spec.resources.ulimits).flatMap(([resource, limit]) =>
      limit === undefined ? [] : [{ resource, soft: bounded(limit.soft), hard: bounded(limit.hard) }],
    ),
    capabilities: capabilityMask(spec.capabilities),
    noNewPrivileges: false,
  };
}

function bounded(limit: number): number | null {
  return limit === UNLIMITED ? null : limit;
}

/** A machine has whole CPUs; the fraction that is too much is taken from the container. */
function cpuQuota(cpu: number): number | null {
  return Number.isInteger(cpu) ? null : Math.max(1000, Math.round(cpu * QUOTA_PERIOD_MICROS));
}

function namesOf(id: ContainerId, { hostname, dns, extraHosts }: ServiceSpec): StartSpec['names'] {
  return {
    hostname: hostname ?? formatContainerId(id).slice(0, 63),
    dnsServers: dns.servers,
    dnsSearch: dns.search,
    dnsOptions: [],
    hosts: Object.entries(extraHosts).map(([name, address]) => ({ name, address })),
  };
}
