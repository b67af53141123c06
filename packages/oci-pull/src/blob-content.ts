import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { DigestHash } from './digest.ts';
import { messageOf, OciError } from './errors.ts';
import type { Descriptor } from './manifest.ts';

/** Bytes that can be read any number of times, from anywhere. */
export interface BlobContent {
  /** @param end The first byte that is left out. */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
}

export function contentOfBytes(bytes: Uint8Array): BlobContent {
  return {
    async *read(start, end) {
      yield bytes.subarray(start, end);
    },
  };
}

export function contentOfFile(path: string): BlobContent {
  return {
    async *read(start, end) {
      if (end <= start) return;
      try {
        yield* createReadStream(path, { start, end: end - 1, highWaterMark: 256 * 1024 });
      } catch (cause) {
        throw unreadable(path, cause);
      }
    },
  };
}

/** Names a file by its content. */
export async function describeFile(path: string, mediaType: string, signal?: AbortSignal): Promise<Descriptor> {
  try {
    const { size } = await stat(path);
    const hash = new DigestHash('sha256');
    let bytes = 0;
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024, signal })) {
      hash.update(chunk);
      bytes += chunk.length;
    }
    if (bytes !== size) throw new Error('it changes while it is read');
    return { mediaType, digest: hash.digest(), size };
  } catch (cause) {
    signal?.throwIfAborted();
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): OciError {
  return new OciError('BLOB_UNKNOWN', `${path} cannot be read: ${messageOf(cause)}.`, { subject: path, cause });
}
