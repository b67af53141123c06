import type { Duplex } from 'node:stream';
import type { Message, MessageOf, MessageType } from '../message.ts';
import { failedError, outOfPlace } from './agent-error.ts';
import { type CallOptions, withDeadline } from './deadline.ts';
import { IdleConnections } from './idle-connections.ts';
import { type Connect, MessageConnection } from './message-connection.ts';

/** The ways to ask an agent for something, each on a connection that is its own meanwhile. */
export class AgentCalls {
  /** Connections whose calls are over, or that were opened before their calls. */
  readonly idle = new IdleConnections();
  #isPreparing = false;
  readonly #connect: Connect;
  readonly #timeoutMs: number;

  constructor(connect: Connect, timeoutMs: number) {
    this.#connect = connect;
    this.#timeoutMs = timeoutMs;
  }

  /** Sends a request and gives its answer, which has to be of that type. */
  ask<T extends MessageType>(request: Message, type: T, options: CallOptions, subject?: string): Promise<MessageOf<T>> {
    return this.once(request.type, options, async (connection) => {
      await connection.send(request);
      return expectType(await connection.answer(), type, request.type, subject);
    });
  }

  /** Sends what has no answer. */
  tell(message: Message, options: CallOptions): Promise<void> {
    return this.once(message.type, options, async (connection) => {
      await connection.send(message);
      await connection.end();
    });
  }

  /** A connection for one piece of work, closed after it. */
  once<T>(what: string, options: CallOptions, work: (connection: MessageConnection) => Promise<T>): Promise<T> {
    return this.#deadline(what, options, async (signal) => {
      const connection = await MessageConnection.open(this.#connect, what, signal);
      try {
        return await work(connection);
      } finally {
        connection.destroy();
      }
    });
  }

  /**
   * A connection that lives on after the work that begins it, and what that gave.
   *
   * @param mayReuse Whether it may be an idle one.
   */
  open<T>(
    what: string,
    options: CallOptions,
    begin: (connection: MessageConnection) => Promise<T>,
    mayReuse = false,
  ): Promise<[connection: MessageConnection, begun: T]> {
    return this.#deadline(what, options, async (signal) => {
      const idle = mayReuse ? this.idle.wake(what, signal) : undefined;
      const connection = idle ?? (await MessageConnection.open(this.#connect, what, signal));
      try {
        const begun = await begin(connection);
        connection.release();
        return [connection, begun];
      } catch (error) {
        connection.destroy(error);
        throw error;
      }
    });
  }

  /** Opens a connection for a call that comes soon, if none is waiting. That it cannot is for that call to find out. */
  prepare(): void {
    if (this.#isPreparing || !this.idle.isEmpty) return;
    this.#isPreparing = true;
    this.open('Connect', {}, async () => {})
      .then(([connection]) => this.idle.keep(connection))
      .catch(() => {})
      .finally(() => {
        this.#isPreparing = false;
      });
  }

  /** A stream that is no longer ours after one message. */
  raw(first: Message, options: CallOptions): Promise<Duplex> {
    return this.#deadline(first.type, options, (signal) => MessageConnection.raw(this.#connect, first, signal));
  }

  #deadline<T>(what: string, options: CallOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal, timeoutMs = this.#timeoutMs } = options;
    return withDeadline(what, { signal, timeoutMs }, work);
  }
}

/** The message, if it is of that type; the agent's reason as an error, if it is one. */
export function expectType<T extends MessageType>(
  message: Message,
  type: T,
  what: string,
  subject?: string,
): MessageOf<T> {
  if (message.type === type) return message as MessageOf<T>;
  if (message.type === 'Failed') throw failedError(what, message, subject);
  throw outOfPlace(what, message.type);
}
