import { MAX_PIECE_BYTES } from './runtime-protocol.ts';

/** Bytes in pieces that each fit into a message. */
export function* piecesOf(data: Uint8Array): Generator<Uint8Array, void> {
  for (let at = 0; at < data.byteLength; at += MAX_PIECE_BYTES) yield data.subarray(at, at + MAX_PIECE_BYTES);
}
