const MIN_MATCH = 4;
const LENGTH_MORE = 15;
const MAX_OFFSET = 65_535;
/** The format wants the last five bytes to be literals, and no match to begin within the last twelve. */
const LAST_LITERALS = 5;
const LAST_MATCH = 12;
const HASH_BITS = 14;

/** Where four bytes were seen last, within the current window. */
export type Positions = Int32Array;

export const newPositions = (): Positions => new Int32Array(1 << HASH_BITS).fill(-1);

/** How long an encoded block can become at most. */
export const boundOf = (bytes: number): number => bytes + Math.ceil(bytes / 255) + 16;

/**
 * Encodes `window` from `start` to `end` as one LZ4 block into `target`; it refers back to what lies before `start`, too. It looks
 * in one place alone for what it has seen before, which is fast, and good enough for disks.
 *
 * @returns how many bytes it wrote.
 */
export function encodeBlock(
  window: Buffer,
  start: number,
  end: number,
  target: Uint8Array,
  positions: Positions,
): number {
  let anchor = start;
  let to = 0;
  const lastStart = end - LAST_MATCH;
  for (let at = start; at < lastStart; ) {
    const word = window.readInt32LE(at);
    const hash = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
    const found = positions[hash] as number;
    positions[hash] = at;
    if (found < 0 || at - found > MAX_OFFSET || window.readInt32LE(found) !== word) {
      // The longer nothing was found, the faster it goes on.
      at += 1 + ((at - anchor) >> 6);
      continue;
    }
    let length = MIN_MATCH;
    while (at + length < end - LAST_LITERALS && window[found + length] === window[at + length]) length += 1;
    to = putSequence(target, to, window, anchor, at, length - MIN_MATCH);
    target[to++] = (at - found) & 0xff;
    target[to++] = (at - found) >> 8;
    to = putMore(target, to, length - MIN_MATCH);
    at += length;
    anchor = at;
  }
  return putSequence(target, to, window, anchor, end, 0);
}

/** A token with its literals. */
function putSequence(target: Uint8Array, to: number, window: Buffer, from: number, end: number, match: number): number {
  const literals = end - from;
  target[to] = (Math.min(literals, LENGTH_MORE) << 4) | Math.min(match, LENGTH_MORE);
  const at = putMore(target, to + 1, literals);
  target.set(window.subarray(from, end), at);
  return at + literals;
}

/** What of a length does not fit into the token. */
function putMore(target: Uint8Array, to: number, length: number): number {
  if (length < LENGTH_MORE) return to;
  let rest = length - LENGTH_MORE;
  for (; rest >= 255; rest -= 255) target[to++] = 255;
  target[to++] = rest;
  return to;
}
