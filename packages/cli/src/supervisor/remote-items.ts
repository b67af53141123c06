import type { Cancellable } from '@zlayer/runtime-core';
import { Inbox } from './inbox.ts';
import type { RemoteRequests } from './remote-requests.ts';
import { ITEM_BYTES } from './runtime-protocol.ts';

/** A stream of items of the supervisor, open from the call on. `onOpened` is told when the call itself has succeeded. */
export function remoteItems<T>(
  requests: RemoteRequests,
  method: string,
  args: unknown[],
  { signal, onOpened }: Cancellable & { onOpened?: (() => void) | undefined } = {},
): AsyncIterableIterator<T, undefined> {
  const leave = (): void => {
    signal?.removeEventListener('abort', abort);
    requests.tell('cancel', request.key);
  };
  const inbox = new Inbox<T>((bytes) => requests.tell('grant', request.key, { channel: 'items', bytes }), leave);
  const abort = (): void => {
    requests.tell('cancel', request.key);
    inbox.end({ error: signal?.reason }, { now: true });
  };
  const request = requests.open('items', { method, args }, (item) => {
    if (onOpened && isOpened(item)) onOpened();
    else inbox.push(item as T, costOf(item));
  });
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();
  request.result
    .then(
      () => inbox.end(),
      (error) => inbox.end({ error }),
    )
    .finally(() => signal?.removeEventListener('abort', abort));
  return inbox;
}

function isOpened(item: unknown): boolean {
  return typeof item === 'object' && item !== null && 'type' in item && item.type === 'opened';
}

/** As the sender counts. */
function costOf(item: unknown): number {
  const data = item instanceof Uint8Array ? item : (item as { data?: unknown }).data;
  return ITEM_BYTES + (data instanceof Uint8Array ? data.byteLength : ITEM_BYTES);
}
