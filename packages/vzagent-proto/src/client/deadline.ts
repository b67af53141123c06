import { AgentError } from './agent-error.ts';

/** What every call takes. */
export interface CallOptions {
  /** Gives up: the call rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Milliseconds until the answer has to be there; `Infinity` waits for ever. The client's by default. */
  timeoutMs?: number | undefined;
}

/** Does some work that ends when the signal it is given says so: because of the caller's, or because time is up. */
export async function withDeadline<T>(
  what: string,
  { signal, timeoutMs = Number.POSITIVE_INFINITY }: CallOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal?.reason);
  const expire = (): void =>
    controller.abort(new AgentError('timeout', `${what}: no answer from the guest agent within ${timeoutMs} ms`));
  signal?.addEventListener('abort', abort, { once: true });
  const timer = Number.isFinite(timeoutMs) ? setTimeout(expire, timeoutMs) : undefined;
  try {
    return await work(controller.signal);
  } catch (error) {
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}
