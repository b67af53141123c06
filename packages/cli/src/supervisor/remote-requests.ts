import { randomUUID } from 'node:crypto';
import type { SupervisorClient } from '@zlayer/host';
import type { Cancellable } from '@zlayer/runtime-core';
import { piecesOf } from './pieces.ts';
import { fromWire, toWire } from './wire-value.ts';

/** Something that was asked for and goes on. */
export interface RemoteRequest {
  readonly key: string;
  /** Settles with the answer. */
  readonly result: Promise<unknown>;
}

/** Asks for calls of one runtime of a supervisor. */
export class RemoteRequests {
  readonly #client: SupervisorClient;
  readonly #runtime: string;

  constructor(client: SupervisorClient, runtime: string) {
    this.#client = client;
    this.#runtime = runtime;
  }

  /** Sends a request before it returns. */
  open(
    request: string,
    { method, args }: { method?: string; args: unknown[] },
    onEvent?: (event: unknown) => void,
  ): RemoteRequest {
    const key = randomUUID();
    const params = toWire({ runtime: this.#runtime, key, method, args });
    const answer = this.#client.request(request, params, { onEvent: (event) => onEvent?.(fromWire(event)) });
    const result = answer.then((value) => fromWire(value));
    result.catch(() => {});
    return { key, result };
  }

  /** The answer, or, once the signal was aborted and the supervisor has put things in order, its reason. */
  async settled({ key, result }: RemoteRequest, { signal }: Cancellable): Promise<unknown> {
    const cancel = (): void => this.tell('cancel', key);
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted) cancel();
    try {
      return await result;
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Says something about an open request and waits for the answer. */
  async control(method: string, key: string, params: object = {}): Promise<void> {
    await this.#client.request(method, toWire({ key, ...params }));
  }

  /** Says it; if the supervisor is gone, the request itself tells. */
  tell(method: string, key: string, params: object = {}): void {
    this.control(method, key, params).catch(() => {});
  }

  /** Sends bytes as the other end takes them. */
  async write(key: string, data: Uint8Array): Promise<void> {
    for (const piece of piecesOf(data)) await this.control('write', key, { data: piece });
  }
}
