import { AgentError, outOfPlace } from './agent-error.ts';
import type { MessageConnection } from './message-connection.ts';
import { printable } from './printable.ts';

/** The largest datagram of UDP over IPv4. */
const MAX_DATAGRAM = 65_507;

/** A UDP socket in the guest, connected to one address. */
export class Datagrams implements AsyncIterable<Uint8Array> {
  readonly #connection: MessageConnection;

  constructor(connection: MessageConnection) {
    this.#connection = connection;
  }

  /** Sends one datagram of at most 65 507 bytes; it may be empty, and it may be lost. */
  async send(data: Uint8Array): Promise<void> {
    if (data.length > MAX_DATAGRAM) {
      throw new AgentError('invalid', `a datagram of ${data.length} bytes: at most ${MAX_DATAGRAM} are possible`);
    }
    await this.#connection.send({ type: 'Data', data });
  }

  /** The datagrams that come back, until the guest ends. Only one loop at a time. Leaving it closes nothing. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const message = await this.#connection.answer();
      if (message.type === 'End') return;
      const { purpose } = this.#connection;
      if (message.type === 'Reset')
        throw new AgentError('reset', `${purpose}: ${printable(message.message) || 'reset'}`);
      if (message.type !== 'Data') throw this.#refuse(outOfPlace(purpose, message.type));
      yield message.data;
    }
  }

  close(): void {
    this.#connection.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #refuse(error: AgentError): AgentError {
    this.#connection.destroy(error);
    return error;
  }
}
