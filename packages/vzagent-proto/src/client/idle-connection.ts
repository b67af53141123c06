import type { MessageConnection } from './message-connection.ts';

/** Milliseconds that a connection waits for a next call. */
const PATIENCE_MS = 5000;

/** At most one connection that has done its work, for a call that comes soon. It keeps no program alive. */
export class IdleConnection {
  #kept: { connection: MessageConnection; timer: NodeJS.Timeout } | undefined;

  /** Takes a connection over on which nothing is to come any more. One for which there is no place is ended. */
  keep(connection: MessageConnection): void {
    if (this.#kept !== undefined || !connection.rest()) {
      void connection.end();
      return;
    }
    const timer = setTimeout(() => void this.#take()?.end(), PATIENCE_MS).unref();
    this.#kept = { connection, timer };
  }

  /** The connection, for another purpose; `undefined` when there is none, or it was lost meanwhile. */
  wake(purpose: string, signal: AbortSignal): MessageConnection | undefined {
    const connection = this.#take();
    return connection?.wake(purpose, signal) ? connection : undefined;
  }

  #take(): MessageConnection | undefined {
    const kept = this.#kept;
    this.#kept = undefined;
    clearTimeout(kept?.timer);
    return kept?.connection;
  }
}
