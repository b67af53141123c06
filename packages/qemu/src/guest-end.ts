import { setTimeout as delay } from 'node:timers/promises';
import type { VmExit } from '@zlayer/host';
import { QmpClient, type QmpEvent } from './qmp-client.ts';

/** A QEMU that was just started does not listen yet. */
const RETRY_MS = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4000];

/**
 * Listens for what the guest does to end its machine. The result tells it, and ends listening. Whoever comes when another
 * process listens already learns only what happens when that one is gone.
 */
export function guestEnd(eventSocket: string): () => VmExit['guest'] {
  let end: VmExit['guest'];
  const stop = new AbortController();
  const listening = listen(eventSocket, stop.signal, (event) => {
    end = endOf(event) ?? end;
  });
  return () => {
    stop.abort();
    void listening.then((client) => client?.close());
    return end;
  };
}

async function listen(
  path: string,
  signal: AbortSignal,
  onEvent: (event: QmpEvent) => void,
): Promise<QmpClient | undefined> {
  for (const ms of RETRY_MS) {
    try {
      // As long as another process listens, there is no greeting.
      return await QmpClient.open(path, { onEvent, signal, timeoutMs: Number.POSITIVE_INFINITY });
    } catch {
      if (signal.aborted) return undefined;
      await delay(ms, undefined, { ref: false, signal }).catch(() => undefined);
    }
  }
  return undefined;
}

function endOf({ event, data }: QmpEvent): VmExit['guest'] {
  if (event === 'GUEST_PANICKED') return 'panicked';
  if (event !== 'SHUTDOWN') return undefined;
  const { reason } = data;
  if (reason === 'guest-panic') return 'panicked';
  if (reason === 'guest-reset') return 'reset';
  return reason === 'guest-shutdown' ? 'powered-off' : undefined;
}
