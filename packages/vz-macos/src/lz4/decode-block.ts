const MIN_MATCH = 4;
const LENGTH_MORE = 15;
/** Below this, a loop is faster than a call. */
const SHORT = 24;

/**
 * Decodes one LZ4 block (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md) into `target` from `start` on. It may
 * refer back to what lies before, down to the beginning of `target`.
 *
 * @returns the end of what it wrote.
 * @throws RangeError for a block that is damaged: nothing is written beyond `limit`, nothing read beyond `source`.
 */
export function decodeBlock(source: Uint8Array, target: Uint8Array, start: number, limit: number): number {
  const end = source.length;
  let at = 0;
  let to = start;
  for (;;) {
    if (at >= end) throw new RangeError('it ends before its last literals');
    const token = source[at++] as number;
    let literals = token >> 4;
    if (literals === LENGTH_MORE) {
      let more: number;
      do {
        if (at >= end) throw new RangeError('a length is cut off');
        more = source[at++] as number;
        literals += more;
      } while (more === 255);
    }
    if (literals > end - at) throw new RangeError('its literals are cut off');
    if (literals > limit - to) throw new RangeError('it is longer than it says');
    if (literals <= SHORT) {
      for (const stop = at + literals; at < stop; ) target[to++] = source[at++] as number;
    } else {
      target.set(source.subarray(at, at + literals), to);
      at += literals;
      to += literals;
    }
    // The last sequence has no match.
    if (at === end) return to;
    if (end - at < 2) throw new RangeError('an offset is cut off');
    const offset = (source[at] as number) | ((source[at + 1] as number) << 8);
    at += 2;
    if (offset === 0 || offset > to) throw new RangeError('a back reference leads before the beginning');
    let length = (token & LENGTH_MORE) + MIN_MATCH;
    if (length === LENGTH_MORE + MIN_MATCH) {
      let more: number;
      do {
        if (at >= end) throw new RangeError('a length is cut off');
        more = source[at++] as number;
        length += more;
      } while (more === 255);
    }
    if (length > limit - to) throw new RangeError('it is longer than it says');
    to = copyMatch(target, to, offset, length);
  }
}

/** What is copied may overlap what it is copied from: that repeats it. */
function copyMatch(target: Uint8Array, to: number, offset: number, length: number): number {
  const end = to + length;
  if (length <= SHORT) {
    for (let from = to - offset; to < end; ) target[to++] = target[from++] as number;
    return end;
  }
  if (offset === 1) {
    target.fill(target[to - 1] as number, to, end);
    return end;
  }
  // Each turn doubles what can be copied at once.
  for (let piece = offset; to < end; piece *= 2) {
    const size = Math.min(piece, end - to);
    target.copyWithin(to, to - piece, to - piece + size);
    to += size;
  }
  return end;
}
