import { createHmac, timingSafeEqual } from 'node:crypto';

/** Lengths in bytes. */
export const TOKEN_BYTES = 32;
export const NONCE_BYTES = 32;
const PROOF_BYTES = 32;
/** What the host says: its nonce, the port, its proof. */
export const CALL_BYTES = NONCE_BYTES + 4 + PROOF_BYTES;
/** What the guest answers: a status and its proof. */
export const ANSWER_BYTES = 1 + PROOF_BYTES;

const PROTOCOL = Buffer.from('zlayer channel 1', 'latin1');
const HOST = 1;
const GUEST = 2;
const TAKEN = 0;

/** HMAC-SHA256 with the token over everything that was said, and who says it. */
function prove(token: Uint8Array, side: number, guestNonce: Uint8Array, asked: Uint8Array, status: number): Buffer {
  const hmac = createHmac('sha256', token).update(PROTOCOL).update(Buffer.of(side));
  return hmac.update(guestNonce).update(asked).update(Buffer.of(status)).digest();
}

/** What a host says to a guest that has sent a nonce, to be let through to a port. */
export function makeCall(token: Uint8Array, guestNonce: Uint8Array, hostNonce: Uint8Array, port: number): Buffer {
  const number = Buffer.alloc(4);
  number.writeUInt32LE(port);
  const asked = Buffer.concat([hostNonce, number]);
  return Buffer.concat([asked, prove(token, HOST, guestNonce, asked, 0)]);
}

/** Whether the one who answered a call knows the token too, and if so, whether the port took the call. */
export function readAnswer(
  token: Uint8Array,
  guestNonce: Uint8Array,
  call: Uint8Array,
  answer: Uint8Array,
): 'taken' | 'nothing-listens' | 'not-proved' {
  const [status = 0] = answer;
  const right = prove(token, GUEST, guestNonce, call.subarray(0, NONCE_BYTES + 4), status);
  if (!timingSafeEqual(right, answer.subarray(1))) return 'not-proved';
  return status === TAKEN ? 'taken' : 'nothing-listens';
}
