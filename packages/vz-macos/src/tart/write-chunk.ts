import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Digest } from '@zlayer/oci-pull';
import { ZlayerError } from '@zlayer/runtime-core';
import { writeSparsely } from '../bundle/sparse-writer.ts';
import { decodeAppleLz4 } from '../lz4/apple-lz4.ts';
import type { TartChunk } from './tart-manifest.ts';

/**
 * Decompresses a piece of a disk and writes it where it belongs, but for what is nothing but zeroes: there the file, which has
 * been made as long as the disk, keeps its holes.
 *
 * @throws ZlayerError `PULL_FAILED` if its content is not what the image says.
 */
export async function writeChunk(
  disk: FileHandle,
  chunk: Pick<TartChunk, 'offset' | 'rawSize' | 'rawDigest' | 'digest'>,
  compressed: AsyncIterable<Uint8Array>,
  { signal, onWrite }: { signal?: AbortSignal | undefined; onWrite?: (bytes: number) => void } = {},
): Promise<void> {
  const { offset, rawSize, rawDigest, digest } = chunk;
  const hash = createHash(algorithmOf(rawDigest));
  let written = 0;
  for await (const piece of decodeAppleLz4(compressed, { maxBytes: rawSize, subject: digest })) {
    signal?.throwIfAborted();
    hash.update(piece);
    await writeSparsely(disk, piece, offset + written);
    written += piece.length;
    onWrite?.(piece.length);
  }
  if (written !== rawSize) throw wrong(digest, `has ${written} bytes in place of ${rawSize}`);
  const found = `${algorithmOf(rawDigest)}:${hash.digest('hex')}`;
  if (found !== rawDigest) throw wrong(digest, `is ${found} when it is decompressed, not ${rawDigest}`);
}

const algorithmOf = (digest: Digest): string => digest.slice(0, digest.indexOf(':'));

const wrong = (digest: Digest, why: string): ZlayerError =>
  new ZlayerError('PULL_FAILED', `the piece ${digest} of the disk ${why}`, { subject: digest });
