import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Digest, DigestHash } from './digest.ts';
import { OciError, systemErrorCode } from './errors.ts';

/**
 * Digest of a file's content, by the algorithm of another digest; undefined if it is not there.
 *
 * @throws {OciError} `STORE_FAILED` if it cannot be read.
 */
export async function hashFile(
  path: string,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<{ digest: Digest; bytes: number } | undefined> {
  const hash = new DigestHash(digest.startsWith('sha512:') ? 'sha512' : 'sha256');
  let bytes = 0;
  try {
    const content = createReadStream(path, { highWaterMark: 1024 * 1024 });
    await pipeline(
      content,
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) {
          bytes += chunk.length;
          hash.update(chunk);
        }
      },
      { signal },
    );
  } catch (cause) {
    signal?.throwIfAborted();
    if (systemErrorCode(cause) === 'ENOENT') return undefined;
    throw new OciError('STORE_FAILED', `The blob ${path} cannot be read.`, {
      subject: digest,
      remedy: 'Check the disk and the rights of that file.',
      cause,
    });
  }
  return { digest: hash.digest(), bytes };
}
