import type { FileHandle } from 'node:fs/promises';

/** What a hole is made of: the block size of APFS and of most others. */
const pageSize = 4096;
const zeros = Buffer.alloc(pageSize);

/** Writes into a file that reads as zeros already, and leaves out the pages that are nothing else. */
export async function writeSparsely(file: FileHandle, data: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < data.length; ) {
    const start = skipPages(data, at, position, true);
    const end = skipPages(data, start, position, false);
    for (let written = start; written < end; ) {
      written += (await file.write(data, written, end - written, position + written)).bytesWritten;
    }
    at = end;
  }
}

/** Where the pages end that are all zeros, or the ones that are not. */
function skipPages(data: Uint8Array, from: number, position: number, areZero: boolean): number {
  let at = from;
  while (at < data.length) {
    const size = Math.min(pageSize - ((position + at) % pageSize), data.length - at);
    if ((Buffer.compare(data.subarray(at, at + size), zeros.subarray(0, size)) === 0) !== areZero) break;
    at += size;
  }
  return at;
}
