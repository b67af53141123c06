import type { ContainerStats } from '@zlayer/runtime-core';
import type { GuestStatistics } from '@zlayer/vzagent-proto';

/** What the guest's kernel has measured. */
export function containerStats(measured: GuestStatistics): ContainerStats {
  const { io, networks } = measured;
  const limit = measured.memoryLimitBytes ?? undefined;
  return {
    time: new Date(),
    cpuTimeNs: BigInt(measured.cpuMicros) * 1000n,
    memoryBytes: measured.memoryBytes,
    memoryLimitBytes: limit,
    processes: measured.pids,
    blockReadBytes: sum(io.map(({ readBytes }) => readBytes)),
    blockWriteBytes: sum(io.map(({ writeBytes }) => writeBytes)),
    networkReceivedBytes: sum(networks.map(({ receivedBytes }) => receivedBytes)),
    networkSentBytes: sum(networks.map(({ sentBytes }) => sentBytes)),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
