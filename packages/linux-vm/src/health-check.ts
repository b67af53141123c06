import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { type HealthStatus, HealthTracker, type ServiceSpec } from '@zlayer/runtime-core';
import type { Guest } from './guest.ts';

type HealthCheck = NonNullable<ServiceSpec['healthCheck']>;

/** No status line is longer. */
const MAX_STATUS_LINE = 1024;

export interface WatchHealthOptions {
  guest: Guest;
  /** A container that stands still, or is about to end, is not asked. */
  isRunning(): boolean;
  report(status: HealthStatus): void;
  signal: AbortSignal;
}

/** Checks again and again until the run ends, and reports what has changed. */
export async function watchHealth(
  check: HealthCheck,
  { guest, isRunning, report, signal }: WatchHealthOptions,
): Promise<void> {
  const tracker = new HealthTracker(check);
  const began = performance.now();
  for (;;) {
    await delay(check.interval, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    if (!isRunning()) continue;
    const sinceStart = performance.now() - began;
    const tooLong = AbortSignal.timeout(check.timeout);
    const isGood = await probe(check, guest, AbortSignal.any([signal, tooLong])).catch(() => false);
    if (signal.aborted) return;
    // What was stopped in its tracks meanwhile could not answer.
    if (!isGood && !isRunning()) continue;
    const changed = tracker.record(isGood && !tooLong.aborted, sinceStart);
    if (changed !== undefined) report(changed);
  }
}

async function probe({ command, http, tcp }: HealthCheck, guest: Guest, signal: AbortSignal): Promise<boolean> {
  if (command) {
    const { exitCode } = await guest.exec(command, { signal });
    return exitCode === 0;
  }
  const socket = await guest.connect(http?.port ?? tcp?.port ?? 0, { signal });
  socket.on('error', () => {});
  try {
    if (!http) return true;
    socket.write(`GET ${http.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    let head = '';
    while (!head.includes('\n') && head.length < MAX_STATUS_LINE) {
      const [data] = await once(socket, 'data', { signal });
      head += Buffer.from(data as Uint8Array).toString('latin1');
    }
    return /^HTTP\/1\.[01] [23]\d\d/.test(head);
  } finally {
    socket.destroy();
  }
}
