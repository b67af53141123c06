import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { contentOfFile } from './blob-content.ts';
import { type ByteString, displayName } from './byte-string.ts';
import { DecompressionError } from './decompress.ts';
import { type Digest, DigestHash } from './digest.ts';
import { OciError } from './errors.ts';
import { maximumManifestSize } from './manifest.ts';
import { decompressWithin } from './metered-decompression.ts';
import { EntryError, entryComponents } from './rootfs-path.ts';
import { TarError } from './tar-header.ts';
import { TarReader } from './tar-reader.ts';
import { UnpackBudget, type UnpackLimits } from './unpack-budget.ts';

/** A file of an archive, as it lies on disk. */
export interface SpooledFile {
  readonly path: string;
  readonly size: number;
  readonly digest: Digest;
  /** The first four bytes, which tell how it is compressed. */
  readonly magic: Buffer;
}

/** Links in archives of images lead to the file of another layer, never far. */
const maximumLinks = 16;

/** A tar archive of an image, read in one pass: its files lie in a directory under numbers, found by their names. */
export class SpooledArchive {
  readonly #name: string;
  readonly #files = new Map<ByteString, SpooledFile>();
  readonly #links = new Map<ByteString, ByteString>();
  readonly #byDigest = new Map<Digest, SpooledFile>();

  private constructor(name: string) {
    this.#name = name;
  }

  /**
   * @param content The archive, compressed or not.
   * @param name Names the archive in errors.
   * @param directory An existing, empty one for the files. The caller removes it.
   */
  static async read(
    content: AsyncIterable<Uint8Array>,
    name: string,
    directory: string,
    limits: UnpackLimits | undefined,
    signal: AbortSignal,
  ): Promise<SpooledArchive> {
    const archive = new SpooledArchive(name);
    const budget = new UnpackBudget(limits);
    const unpacked = decompressWithin(content, budget);
    const reader = new TarReader(unpacked);
    try {
      for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
        signal.throwIfAborted();
        budget.spendEntry(entry.path);
        const path = entryComponents(entry.path).join('/');
        if (entry.type === 'file') {
          const file = await spool(reader, join(directory, String(archive.#files.size)), signal);
          archive.#files.set(path, file);
          archive.#byDigest.set(file.digest, file);
        } else if (entry.type === 'symlink') {
          archive.#links.set(path, resolveLink(path, entry.linkPath));
        } else if (entry.type === 'hardlink') {
          archive.#links.set(path, entryComponents(entry.linkPath).join('/'));
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      throw archive.#fault(error);
    } finally {
      await unpacked.return();
    }
    return archive;
  }

  /** A file by its name; links within the archive are followed. */
  find(path: string): SpooledFile | undefined {
    let name: ByteString | undefined = Buffer.from(path).toString('latin1');
    for (let links = 0; name !== undefined && links <= maximumLinks; links++) {
      const file = this.#files.get(name);
      if (file !== undefined) return file;
      name = this.#links.get(name);
    }
    return undefined;
  }

  findDigest(digest: Digest): SpooledFile | undefined {
    return this.#byDigest.get(digest);
  }

  require(path: string): SpooledFile {
    const file = this.find(path);
    if (file === undefined) throw this.invalid(`it has no ${JSON.stringify(path)}, which it names`);
    return file;
  }

  async readDocument(file: SpooledFile): Promise<Buffer> {
    if (file.size > maximumManifestSize) throw this.invalid(`a document is longer than ${maximumManifestSize} bytes`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of contentOfFile(file.path).read(0, file.size)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  invalid(what: string, cause?: unknown): OciError {
    return new OciError('INVALID_LAYOUT', `The archive ${this.#name} is no image: ${what}.`, {
      subject: this.#name,
      remedy: 'Make it anew with docker save, skopeo or this package.',
      cause,
    });
  }

  #fault(error: unknown): unknown {
    if (error instanceof EntryError && error.reason === 'LIMIT_EXCEEDED') {
      const remedy = 'If you trust the archive, raise the limits.';
      const text = `The archive ${this.#name} is too large: ${error.message}.`;
      return new OciError(error.reason, text, { subject: this.#name, remedy, cause: error });
    }
    const known = error instanceof EntryError || error instanceof TarError || error instanceof DecompressionError;
    return known ? this.invalid(error.message, error) : error;
  }
}

function resolveLink(path: ByteString, target: ByteString): ByteString {
  const at = path.split('/').slice(0, -1);
  for (const component of target.split('/')) {
    if (component === '' || component === '.') continue;
    if (component !== '..') at.push(component);
    else if (at.pop() === undefined) throw new EntryError('UNSAFE_PATH', `${displayName(path)} leads out of it`);
  }
  return at.join('/');
}

async function spool(reader: TarReader, path: string, signal: AbortSignal): Promise<SpooledFile> {
  const hash = new DigestHash('sha256');
  let magic: Buffer = Buffer.alloc(0);
  let size = 0;
  const file: FileHandle = await open(path, 'wx', 0o600);
  try {
    for (let chunk = await reader.read(); chunk !== undefined; chunk = await reader.read()) {
      signal.throwIfAborted();
      if (magic.length < 4) magic = Buffer.concat([magic, chunk.subarray(0, 4 - magic.length)]);
      hash.update(chunk);
      size += chunk.length;
      for (let offset = 0; offset < chunk.length; ) offset += (await file.write(chunk, offset)).bytesWritten;
    }
  } finally {
    await file.close();
  }
  return { path, size, digest: hash.digest(), magic };
}
