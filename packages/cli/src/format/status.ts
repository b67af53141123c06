import type { ContainerDetails } from '@zlayer/runtime-core';
import { formatAge, formatSpan } from './age.ts';

/** The state of a container as `ps` shows it: `Up 5 minutes (healthy)`, `Exited (1) 2 hours ago`. */
export function formatStatus(details: ContainerDetails, now: Date = new Date()): string {
  const { state, startedAt, endedAt, health } = details;
  switch (state.status) {
    case 'pending':
      return 'Created';
    case 'initializing':
      return 'Starting';
    case 'stopping':
      return 'Stopping';
    case 'exited':
      return `Exited (${state.exitCode}) ${formatAge(endedAt, now)}`.trimEnd();
    case 'failed':
      return `Failed ${formatAge(endedAt, now)}`.trimEnd();
    default: {
      const span = startedAt === undefined ? '' : ` ${formatSpan(now.getTime() - startedAt.getTime())}`;
      const notes = `${health === undefined ? '' : ` (${health})`}${state.status === 'paused' ? ' (Paused)' : ''}`;
      return `Up${span}${notes}`;
    }
  }
}
