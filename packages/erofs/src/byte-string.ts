/**
 * Bytes of a file name or a link target, one per character (latin1).
 *
 * Names on Linux are bytes and need not be UTF-8. As a text with one character per byte they can be split, compared and
 * used as keys without losing any. For plain ASCII it is the text itself; `byteString` makes one of any other text.
 */
export type ByteString = string;

/** The UTF-8 bytes of a text. */
export function byteString(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Whether every character is a byte. */
export function isByteString(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0xff) return false;
  return true;
}

/** For messages: readable, quoted, on one line, not too long. */
export function displayBytes(bytes: ByteString): string {
  const text = isByteString(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 100)}…${text.slice(-99)}` : text);
}
