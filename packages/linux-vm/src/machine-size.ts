import type { VmLimits } from '@zlayer/host';
import { parseMemory, type ServiceSpec, type StartWarning } from '@zlayer/runtime-core';

const MIB = 1024 ** 2;
/** What a machine has beside its container's memory: for the kernel and the agent, and for the tables of all memory. */
const GUEST_BYTES = 96 * MIB;
const MEMORY_PER_PAGE_TABLE = 32;

/** How large a machine is made for a container, and how much of it is the container's. */
export interface MachineSize {
  cpus: number;
  memoryBytes: number;
  /** The most that the workload may use. */
  workloadBytes: number;
  /** What the driver cannot give in full. */
  warnings: StartWarning[];
}

/** The machine for what a spec asks for, as far as a driver can give it. */
export function machineSize(
  { cpu, memory }: Pick<ServiceSpec['resources'], 'cpu' | 'memory'>,
  limits: Pick<VmLimits, 'maxCpus' | 'minMemoryBytes' | 'maxMemoryBytes'>,
): MachineSize {
  const warnings: StartWarning[] = [];
  const cpus = Math.min(Math.ceil(cpu), limits.maxCpus);
  if (cpus < cpu) {
    const message = `resources.cpu asks for ${cpu} CPUs, and a guest here can have ${cpus}`;
    warnings.push({ kind: 'reduced', field: 'resources.cpu', asked: cpu, given: cpus, message });
  }
  const wanted = parseMemory(memory);
  // QEMU and others want whole pages, and a guest has no use for less than a mebibyte.
  const largest = floor(limits.maxMemoryBytes);
  const memoryBytes = Math.min(floor(Math.max(wanted + overhead(wanted), limits.minMemoryBytes)), largest);
  const workloadBytes = memoryBytes < largest ? wanted : Math.min(wanted, largest - overhead(largest));
  if (workloadBytes < wanted) {
    const message = `resources.memory asks for ${wanted} bytes, and a workload here can have ${workloadBytes}`;
    warnings.push({ kind: 'reduced', field: 'resources.memory', asked: wanted, given: workloadBytes, message });
  }
  return { cpus, memoryBytes, workloadBytes, warnings };
}

function overhead(bytes: number): number {
  return GUEST_BYTES + Math.ceil(bytes / MEMORY_PER_PAGE_TABLE);
}

function floor(bytes: number): number {
  return Math.floor(bytes / MIB) * MIB;
}
