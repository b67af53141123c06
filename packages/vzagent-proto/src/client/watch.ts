import type { MessageOf } from '../message.ts';
import { failedError, lostError, outOfPlace } from './agent-error.ts';
import type { MessageConnection } from './message-connection.ts';

/** What `AgentClient.watch` tells of. */
export type GuestEvent = MessageOf<'Network'> | MessageOf<'OomKilled'> | MessageOf<'MemoryPressure'>;

/** What comes on a connection that watches, until the loop is left, the signal says so, or the connection is lost. */
export async function* guestEvents(
  connection: MessageConnection,
  signal: AbortSignal | undefined,
): AsyncGenerator<GuestEvent, void, undefined> {
  const { purpose } = connection;
  const abort = (): void => connection.destroy(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    for (;;) {
      signal?.throwIfAborted();
      const message = await connection.answer();
      if (message.type === 'Failed') throw failedError(purpose, message);
      const isEvent = message.type === 'Network' || message.type === 'OomKilled' || message.type === 'MemoryPressure';
      if (!isEvent) throw outOfPlace(purpose, message.type);
      yield message;
    }
  } finally {
    signal?.removeEventListener('abort', abort);
    connection.destroy(lostError(purpose, new Error('it was closed on this side')));
  }
}
