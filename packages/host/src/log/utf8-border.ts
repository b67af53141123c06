/** The last border between characters at or before `at`; `at` itself in bytes that are not UTF-8. */
export function characterBorder(bytes: Uint8Array, at: number): number {
  for (let border = at; border > at - 4; border -= 1) {
    if (((bytes[border] ?? 0) & 0xc0) !== 0x80) return border;
  }
  return at;
}

/** Where an unfinished character at the end begins; the end, if there is none. */
export function unfinishedCharacter(bytes: Uint8Array): number {
  const end = bytes.length;
  for (let start = end - 1; start >= Math.max(0, end - 3); start -= 1) {
    const byte = bytes[start] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 && byte < 0xf5 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1;
    return byte < 0xf5 && length > end - start ? start : end;
  }
  return end;
}
