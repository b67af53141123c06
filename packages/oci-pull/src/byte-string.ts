/**
 * Bytes of a file name, one per character (latin1).
 *
 * Names on Linux are bytes and need not be UTF-8. As a text with one character per byte they can be split, compared and
 * used as keys without losing any.
 */
export type ByteString = string;

export function byteString(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1');
}

export function byteStringOf(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** What the file system functions of Node take. A text is quicker than a buffer and means the same for ASCII. */
export function systemPath(path: ByteString): string | Buffer {
  return isAscii(path) ? path : Buffer.from(path, 'latin1');
}

/** For messages: readable, on one line, not too long. */
export function displayName(name: ByteString): string {
  const text = Buffer.from(name, 'latin1').toString('utf8');
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false;
  return true;
}
