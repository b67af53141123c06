import { ByteReader } from './byte-reader.ts';
import { byteStringOf } from './byte-string.ts';
import { applyPaxRecords, parsePaxRecords, xattrsOf } from './pax-records.ts';
import type { TarEntry, TarEntryType, Xattrs } from './tar-entry.ts';
import { blockSize, isZeroBlock, parseTarHeader, TarError, type TarHeader } from './tar-header.ts';

/** Longest extended header: room for a long name, a long link target and xattrs of 64 KiB each. */
const maximumExtension = 1024 * 1024;
/** Owners are 32-bit numbers; the highest one means "no owner". */
const maximumOwner = 0xffff_fffe;

const noRecords: ReadonlyMap<string, Buffer> = new Map();

const entryTypes: Readonly<Record<string, TarEntryType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

/**
 * Reads a tar archive from a stream, entry by entry: v7, ustar, PAX and GNU long names.
 * Memory does not grow with the archive. Throws {@link TarError} for a damaged or truncated one.
 */
export class TarReader {
  readonly #input: ByteReader;
  #remaining = 0;
  #padding = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#input = new ByteReader(source);
  }

  /** The next entry, skipping what was not read of the one before; undefined at the end of the archive. */
  async next(): Promise<TarEntry | undefined> {
    await this.#skip(this.#remaining + this.#padding);
    this.#remaining = 0;
    this.#padding = 0;
    let records = noRecords;
    let longPath: string | undefined;
    let longLink: string | undefined;
    let isExtended = false;
    for (;;) {
      const block = await this.#block();
      if (block === undefined || isZeroBlock(block)) {
        if (isExtended) throw new TarError('the archive ends after an extended header');
        if (block !== undefined) await this.#readTrailer();
        return undefined;
      }
      const header = parseTarHeader(block);
      if (header.typeFlag === 'x') records = parsePaxRecords(await this.#extension(header));
      else if (header.typeFlag === 'g') await this.#extension(header);
      else if (header.typeFlag === 'L') longPath = untilNul(await this.#extension(header));
      else if (header.typeFlag === 'K') longLink = untilNul(await this.#extension(header));
      else {
        const named = { ...header, path: longPath ?? header.path, linkPath: longLink ?? header.linkPath };
        return this.#begin(applyPaxRecords(named, records), xattrsOf(records));
      }
      isExtended = header.typeFlag !== 'g';
    }
  }

  /** The next piece of the current entry's content; undefined at its end. The piece is valid until the next call. */
  async read(): Promise<Buffer | undefined> {
    if (this.#remaining === 0) return undefined;
    const chunk =
      this.#input.take(this.#remaining) ?? ((await this.#input.more()) && this.#input.take(this.#remaining));
    if (!chunk) throw truncated();
    this.#remaining -= chunk.length;
    return chunk;
  }

  /** Like {@link read}, but only what is at hand: undefined also when there is more to wait for. */
  take(): Buffer | undefined {
    const chunk = this.#remaining === 0 ? undefined : this.#input.take(this.#remaining);
    this.#remaining -= chunk?.length ?? 0;
    return chunk;
  }

  #begin(header: TarHeader, xattrs: Xattrs): TarEntry {
    const { typeFlag, ...fields } = header;
    let type = entryTypes[typeFlag];
    if (type === undefined) {
      throw new TarError(
        typeFlag === 'S' ? 'sparse files are not supported' : `an entry is of type ${JSON.stringify(typeFlag)}`,
      );
    }
    // Before ustar, a directory was a file with a slash at the end.
    if (typeFlag === '\0' && fields.path.endsWith('/')) type = 'directory';
    // Other types have no content, whatever their size field says; other readers agree.
    const size = type === 'file' ? fields.size : 0;
    for (const value of [size, fields.uid, fields.gid, fields.deviceMajor, fields.deviceMinor]) {
      if (value < 0 || !Number.isSafeInteger(value)) throw new TarError('a header has a negative number');
    }
    if (fields.uid > maximumOwner || fields.gid > maximumOwner)
      throw new TarError('a header has an owner out of range');
    this.#remaining = size;
    this.#padding = paddingOf(size);
    return { ...fields, type, size, xattrs };
  }

  async #extension({ size }: TarHeader): Promise<Buffer> {
    if (size < 0 || size > maximumExtension) throw new TarError('an extended header is too long');
    const bytes = await this.#input.exactly(size);
    if (bytes === undefined) throw truncated();
    const copy = Buffer.from(bytes);
    await this.#skip(paddingOf(size));
    return copy;
  }

  /** The end is two blocks of zeros (some writers leave one), then zeros at most: nothing may hide behind it. */
  async #readTrailer(): Promise<void> {
    for (let chunk = await this.#some(); chunk !== undefined; chunk = await this.#some()) {
      if (chunk.some((byte) => byte !== 0)) throw new TarError('something follows the end of the archive');
    }
  }

  async #block(): Promise<Buffer | undefined> {
    const block = this.#input.takeExactly(blockSize) ?? (await this.#input.exactly(blockSize));
    if (block === undefined && this.#input.isCutOff) throw truncated();
    return block;
  }

  async #skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      const chunk = this.#input.take(left);
      if (chunk !== undefined) left -= chunk.length;
      else if (!(await this.#input.more())) throw truncated();
    }
  }

  async #some(): Promise<Buffer | undefined> {
    const limit = Number.MAX_SAFE_INTEGER;
    return this.#input.take(limit) ?? ((await this.#input.more()) ? this.#input.take(limit) : undefined);
  }
}

function paddingOf(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize;
}

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return byteStringOf(end < 0 ? bytes : bytes.subarray(0, end));
}

function truncated(): TarError {
  return new TarError('the archive is cut off');
}
