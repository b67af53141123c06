import { randomBytes } from 'node:crypto';
import { createConnection, type Socket } from 'node:net';
import { type Cancellable, ZlayerError } from '@zlayer/runtime-core';
import { ANSWER_BYTES, makeCall, NONCE_BYTES, readAnswer } from './proof.ts';
import type { Turns } from './turns.ts';

const DEFAULT_TIMEOUT_MS = 15_000;
/** A guest whose door is crowded turns those away who have waited longest; whoever knows the token comes again. */
const ATTEMPTS = 5;

export interface GuestDoor {
  host: string;
  port: number;
  token: Uint8Array;
  /** Who may knock: QEMU lets two connections wait, and a further one comes again a second later. */
  turns: Turns;
}

/** The guest hung up before it had answered. */
class TurnedAway extends Error {}

/**
 * Calls a port of a guest over TCP. Host and guest prove to each other that they know the machine's token before a byte
 * of anything else is sent.
 *
 * @throws ZlayerError `NETWORK` when the guest does not listen, does not answer in time, or when one of the two does not
 *   know the token.
 */
export async function callGuest(
  door: GuestDoor,
  port: number,
  { signal, timeoutMs = DEFAULT_TIMEOUT_MS }: Cancellable & { timeoutMs?: number | undefined } = {},
): Promise<Socket> {
  signal?.throwIfAborted();
  const late = AbortSignal.timeout(timeoutMs);
  const over = signal ? AbortSignal.any([signal, late]) : late;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await callOnce(door, port, over);
    } catch (error) {
      signal?.throwIfAborted();
      if (late.aborted) throw unreachable(door, port, `no answer within ${timeoutMs / 1000} s`);
      if (!(error instanceof TurnedAway)) throw error;
      if (attempt === ATTEMPTS) throw unreachable(door, port, 'it hangs up', error);
    }
  }
}

async function callOnce(door: GuestDoor, port: number, signal: AbortSignal): Promise<Socket> {
  const turn = await door.turns.enter(signal);
  const socket = createConnection({ host: door.host, port: door.port, noDelay: true });
  try {
    // With its nonce the guest tells that it has taken the connection.
    const guestNonce = await take(socket, NONCE_BYTES, signal).finally(() => turn[Symbol.dispose]());
    const call = makeCall(door.token, guestNonce, randomBytes(NONCE_BYTES), port);
    socket.write(call);
    const answer = readAnswer(door.token, guestNonce, call, await take(socket, ANSWER_BYTES, signal));
    if (answer === 'not-proved') throw unreachable(door, port, 'whoever answers does not know its token');
    if (answer === 'nothing-listens') throw unreachable(door, port, 'nothing listens there');
    return socket;
  } catch (error) {
    // A socket that fails while it is given up has nobody left to tell.
    socket.on('error', () => {}).destroy();
    if (error instanceof ZlayerError || error instanceof TurnedAway || signal.aborted) throw error;
    throw unreachable(door, port, (error as Error).message, error);
  }
}

/** Exactly so many bytes; what comes behind them stays in the socket. */
function take(socket: Socket, length: number, signal: AbortSignal): Promise<Buffer> {
  const taken = Promise.withResolvers<Buffer>();
  const onReadable = (): void => {
    const bytes: Buffer | null = socket.read(length);
    if (bytes === null) return;
    if (bytes.length === length) taken.resolve(bytes);
    // At its end a stream gives what it has.
    else taken.reject(new TurnedAway('the guest hung up'));
  };
  const onEnd = (): void => taken.reject(new TurnedAway('the guest hung up'));
  const onError = (error: NodeJS.ErrnoException): void => {
    taken.reject(error.code === 'ECONNRESET' || error.code === 'EPIPE' ? new TurnedAway(error.message) : error);
  };
  const onAbort = (): void => taken.reject(signal.reason);
  socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd).on('error', onError);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  onReadable();
  return taken.promise.finally(() => {
    socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onError);
    signal.removeEventListener('abort', onAbort);
  });
}

function unreachable({ host, port: at }: GuestDoor, port: number, why: string, cause?: unknown): ZlayerError {
  return new ZlayerError('NETWORK', `cannot reach port ${port} of the guest: ${why}`, {
    subject: `${host}:${at}`,
    cause,
  });
}
