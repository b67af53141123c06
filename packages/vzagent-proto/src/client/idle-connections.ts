import type { MessageConnection } from './message-connection.ts';

/** Milliseconds that a connection waits for a next call. */
const PATIENCE_MS = 5000;

/** One for the next call, and one whose last call ends when that has begun. */
const MOST = 2;

/** A few connections on which nothing is under way, for calls that come soon. They keep no program alive. */
export class IdleConnections {
  readonly #kept: { connection: MessageConnection; timer: NodeJS.Timeout }[] = [];

  get isEmpty(): boolean {
    return this.#kept.length === 0;
  }

  /** Takes a connection over on which nothing is to come any more. One for which there is no place is ended. */
  keep(connection: MessageConnection): void {
    if (this.#kept.length >= MOST || !connection.rest()) {
      void connection.end();
      return;
    }
    const timer = setTimeout(() => this.#expire(connection), PATIENCE_MS).unref();
    this.#kept.push({ connection, timer });
  }

  /** One of them, for another purpose; `undefined` when there is none, or all were lost meanwhile. */
  wake(purpose: string, signal: AbortSignal): MessageConnection | undefined {
    for (let kept = this.#kept.pop(); kept !== undefined; kept = this.#kept.pop()) {
      clearTimeout(kept.timer);
      if (kept.connection.wake(purpose, signal)) return kept.connection;
    }
    return undefined;
  }

  /** The oldest is the first whose time is up. */
  #expire(connection: MessageConnection): void {
    this.#kept.shift();
    void connection.end();
  }
}
