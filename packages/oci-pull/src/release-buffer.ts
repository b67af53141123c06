/**
 * Frees the memory of a chunk that everybody is through with, if the chunk is all that lies in it. The collector would
 * do so too, but not before tens of megabytes have gathered. Only for chunks whose maker is known not to keep them.
 */
export function releaseBuffer({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
