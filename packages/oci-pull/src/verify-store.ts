import { createReadStream } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Digest, DigestHash, isDigest } from './digest.ts';
import { OciError, systemErrorCode } from './errors.ts';
import type { ImageStore } from './image-store.ts';
import { parseArtifact } from './manifest.ts';
import { listDirectory, newStagingPath } from './staging.ts';

export interface VerifyOptions {
  /** Moves damaged blobs to `quarantine/` in the store, so that the next pull fetches them again. Default: false. */
  quarantine?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** Hears of each blob, after it was read. */
  onProgress?: ((progress: { readonly digest: Digest; readonly isDamaged: boolean }) => void) | undefined;
}

export interface StoreReport {
  /** Blobs that were read. */
  readonly blobs: number;
  readonly bytes: number;
  /** Blobs whose content is not what their name says. */
  readonly damaged: readonly Digest[];
  /** Blobs that a recorded image needs and that are not there, or are damaged. */
  readonly missing: readonly { readonly image: string; readonly digest: Digest }[];
}

/** Reads every blob of a store and compares it with its digest. Others may use the store meanwhile. */
export async function verifyStore(store: ImageStore, options: VerifyOptions = {}): Promise<StoreReport> {
  const { quarantine = false, signal, onProgress } = options;
  const damaged: Digest[] = [];
  let blobs = 0;
  let bytes = 0;
  for (const digest of await listBlobs(store)) {
    signal?.throwIfAborted();
    const found = await rehash(store.blobPath(digest), digest, signal);
    // Another process may have removed it since the directory was listed.
    if (found === undefined) continue;
    blobs++;
    bytes += found.bytes;
    const isDamaged = found.digest !== digest;
    if (isDamaged) {
      damaged.push(digest);
      if (quarantine) await moveAway(store, digest);
    }
    onProgress?.({ digest, isDamaged });
  }
  return { blobs, bytes, damaged, missing: await missingBlobs(store, new Set(damaged)) };
}

/** All blobs of a store, whoever put them there. */
export async function listBlobs(store: ImageStore): Promise<Digest[]> {
  const digests: Digest[] = [];
  for (const algorithm of ['sha256', 'sha512']) {
    for (const name of await listDirectory(join(store.directory, 'blobs', algorithm))) {
      const digest = `${algorithm}:${name}`;
      if (isDigest(digest)) digests.push(digest);
    }
  }
  return digests.sort();
}

async function rehash(
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

async function moveAway(store: ImageStore, digest: Digest): Promise<void> {
  const aside = await newStagingPath(join(store.directory, 'quarantine'));
  await mkdir(join(store.directory, 'quarantine'), { recursive: true });
  await rename(store.blobPath(digest), `${aside}_${digest.replace(':', '-')}`);
}

async function missingBlobs(
  store: ImageStore,
  damaged: ReadonlySet<Digest>,
): Promise<{ image: string; digest: Digest }[]> {
  const missing: { image: string; digest: Digest }[] = [];
  for (const record of await store.list()) {
    const isBad = async (blob: { digest: Digest; size: number }) =>
      damaged.has(blob.digest) || !(await store.hasBlob(blob));
    if (await isBad(record)) {
      missing.push({ image: record.name, digest: record.digest });
      continue;
    }
    const manifest = parseArtifact(await store.readBlob(record), record.mediaType, record.digest);
    if (manifest.kind === 'index') continue;
    for (const blob of [manifest.config, ...manifest.layers]) {
      if (await isBad(blob)) missing.push({ image: record.name, digest: blob.digest });
    }
  }
  return missing;
}
