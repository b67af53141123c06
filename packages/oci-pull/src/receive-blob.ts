import { closeSync, fsync, openSync, writeSync } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Digest, DigestHash, splitDigest } from './digest.ts';
import { OciError, systemErrorCode } from './errors.ts';
import { takeLockFile } from './lock-file.ts';
import type { Descriptor } from './manifest.ts';
import { syncDirectory } from './staging.ts';

const sync = promisify(fsync);

/** Opens a blob at an offset; `start` tells where it really begins: there, or at 0. */
export type BlobOrigin = (offset: number) => Promise<BlobContent>;

export interface BlobContent {
  readonly start: number;
  readonly content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface BlobPlace {
  /** Where the blob lies when it is complete. */
  readonly target: string;
  /** Directory of what is not complete. */
  readonly partial: string;
}

export interface ReceiveOptions {
  signal?: AbortSignal | undefined;
  /** True if somebody else sees to it that the blob is not trusted after a power cut. Default: false. */
  isUnsynced?: boolean | undefined;
}

const pieceSize = 256 * 1024;

/**
 * Brings a blob to disk and hands out its bytes on the way, in order: nothing waits for the last byte, and yet the blob
 * is seen only when it is complete, verified and safe from a power cut. What a broken pull left is continued. Of several
 * callers, also in other processes, one fetches and the others read what it brought.
 *
 * The bytes handed out are verified when the generator is at its end, not before. A caller that stops earlier leaves the
 * rest for the next one.
 *
 * @throws {OciError} `SIZE_MISMATCH` or `DIGEST_MISMATCH`; errors of the origin and of the disk as they are.
 */
export async function* receiveBlob(
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  { target, partial }: BlobPlace,
  origin: BlobOrigin,
  { signal, isUnsynced = false }: ReceiveOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  await mkdir(partial, { recursive: true });
  const { algorithm, hex } = splitDigest(digest);
  const path = join(partial, hex);
  await using _lock = await takeLockFile(`${path}.lock`, signal);
  if ((await lengthOf(target)) === size) {
    yield* readPieces(target, size);
    return;
  }
  const before = Math.min((await lengthOf(path)) ?? 0, size);
  const source = await Source.open(origin, before);
  const hash = new DigestHash(algorithm);
  let bytes = 0;
  let state: 'partial' | 'damaged' | 'complete' = 'partial';
  let descriptor: number | undefined;
  try {
    if (source.start !== 0 && source.start !== before) throw new RangeError(`no source begins at ${source.start}`);
    // What can be had anew is not trusted: it may be of a source that lied.
    descriptor = openSync(path, source.start === 0 ? 'w' : 'a', 0o644);
    if (source.start > 0) {
      for await (const piece of readPieces(path, before)) {
        hash.update(piece);
        yield piece;
      }
    }
    bytes = source.start;
    for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) {
      signal?.throwIfAborted();
      bytes += chunk.length;
      if (bytes > size) {
        state = 'damaged';
        throw sizeMismatch(digest, size, 'more');
      }
      hash.update(chunk);
      for (let written = 0; written < chunk.length; ) written += writeSync(descriptor, chunk, written);
      yield chunk;
    }
    signal?.throwIfAborted();
    state = 'damaged';
    if (bytes !== size) throw sizeMismatch(digest, size, String(bytes));
    const actual = hash.digest();
    if (actual !== digest) throw digestMismatch(digest, actual);
    if (!isUnsynced) await sync(descriptor);
    state = 'complete';
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
    await source.close();
    if (state === 'damaged' || (state === 'partial' && bytes === 0 && before === 0)) await rm(path, { force: true });
  }
  await mkdir(dirname(target), { recursive: true });
  await rename(path, target);
  if (!isUnsynced) await syncDirectory(dirname(target));
}

/** An error that is none of the disk's. */
export class SourceFailure extends Error {
  override readonly name = 'SourceFailure';
}

/** What a blob comes from, begun at once, so that it can be closed whatever happens before it is read. */
class Source {
  readonly start: number;
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #first: Promise<IteratorResult<Uint8Array>> | undefined;

  private constructor({ start, content }: BlobContent) {
    this.start = start;
    this.#chunks = Symbol.asyncIterator in content ? content[Symbol.asyncIterator]() : content[Symbol.iterator]();
  }

  static async open(origin: BlobOrigin, offset: number): Promise<Source> {
    const source = new Source(await blaming(origin(offset)));
    source.#first = Promise.resolve(await blaming(source.#chunks.next()));
    return source;
  }

  async next(): Promise<Uint8Array | undefined> {
    const { value, done } = await blaming(this.#first ?? this.#chunks.next());
    this.#first = undefined;
    return done === true ? undefined : value;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

async function blaming<T>(work: Promise<T> | T): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new SourceFailure('the source of a blob failed', { cause });
  }
}

async function* readPieces(path: string, length: number): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await open(path, 'r');
  try {
    for (let offset = 0; offset < length; ) {
      const piece = Buffer.allocUnsafe(Math.min(pieceSize, length - offset));
      const { bytesRead } = await file.read(piece, 0, piece.length, offset);
      if (bytesRead === 0) throw new Error(`${path} became shorter while it was read`);
      offset += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function lengthOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

const remedy = 'The registry, or something between it and this machine, changed it; pull again or from elsewhere.';

function sizeMismatch(digest: Digest, size: number, actual: string): OciError {
  const text = `The blob ${digest} should have ${size} bytes but came with ${actual}.`;
  return new OciError('SIZE_MISMATCH', text, { subject: digest, remedy });
}

function digestMismatch(digest: Digest, actual: Digest): OciError {
  const text = `The blob ${digest} came with other content, of digest ${actual}.`;
  return new OciError('DIGEST_MISMATCH', text, { subject: digest, remedy });
}
