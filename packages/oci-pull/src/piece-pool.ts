const pieceSize = 256 * 1024;
/** Idle pieces that are kept. More are left to the garbage collector. */
const maximumIdle = 8;

const lent = new WeakSet<ArrayBufferLike>();
const idle: ArrayBuffer[] = [];

/**
 * Lends a buffer for reading. Who is through with it may give it back, and need not: the collector frees it then, but
 * not before tens of megabytes of its like have gathered.
 */
export function takePiece(): Buffer {
  const memory = idle.pop() ?? new ArrayBuffer(pieceSize);
  lent.add(memory);
  return Buffer.from(memory);
}

/** Takes a piece back, whole or cut; whatever is none is left alone. Nobody may look at it afterwards. */
export function returnPiece({ buffer }: Uint8Array): void {
  if (!lent.delete(buffer) || !(buffer instanceof ArrayBuffer)) return;
  if (idle.length < maximumIdle) idle.push(buffer);
}
