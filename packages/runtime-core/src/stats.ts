/** Measured figures of a running container. What could not be measured is `undefined`, never 0. */
export interface ContainerStats {
  time: Date;
  /** CPU time used since the start, in nanoseconds. */
  cpuTimeNs?: bigint | undefined;
  memoryBytes?: number | undefined;
  memoryLimitBytes?: number | undefined;
  processes?: number | undefined;
  blockReadBytes?: number | undefined;
  blockWriteBytes?: number | undefined;
  networkReceivedBytes?: number | undefined;
  networkSentBytes?: number | undefined;
}

/** One process of a container, as its own `ps` shows it. */
export interface ProcessEntry {
  pid: number;
  parentPid: number;
  user: string;
  command: string;
}
