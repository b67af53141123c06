import { ZlayerError } from '@zlayer/runtime-core';

const RECORD = 512;
const MOST_PADDING = 64 * 1024;

/** The first header of a file in a tar archive, the same for the same name and size: root's, of the year 1970. */
function header(name: string, size: number, type: '0' | '5'): Buffer {
  const bytes = Buffer.alloc(RECORD);
  const octal = (value: number, at: number, length: number) => {
    bytes.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  };
  bytes.write(name, 0, 100, 'latin1');
  octal(type === '5' ? 0o755 : 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  bytes.fill(' ', 148, 156);
  bytes.write(type, 156, 'latin1');
  bytes.write('ustar\x0000', 257, 'latin1');
  bytes.write(`${checksum(bytes).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

/** An archive of a folder with one file in it. */
export function writeBundleTar(folder: string, name: string, content: Uint8Array): Buffer {
  const padding = Buffer.alloc(-content.length & (RECORD - 1));
  const path = `${folder}/${name}`;
  const end = Buffer.alloc(2 * RECORD);
  return Buffer.concat([header(`${folder}/`, 0, '5'), header(path, content.length, '0'), content, padding, end]);
}

/** A file in an archive. Its content is read to its end before the next file is asked for. */
export interface TarFile {
  readonly path: string;
  readonly size: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Reads the files of an archive as they come by. Nothing but regular files and folders is taken, and no extension
 * of the format: what a bundle is packed in needs none.
 *
 * @throws {ZlayerError} `PULL_FAILED` for every other entry, and for an archive that is damaged or cut off.
 */
export async function* readBundleTar(archive: AsyncIterable<Uint8Array>, subject: string): AsyncGenerator<TarFile> {
  const reader = new RecordReader(archive, subject);
  for (;;) {
    const bytes = await reader.take(RECORD);
    if (bytes.every((byte) => byte === 0)) return await reader.skipPadding();
    const { path, size, type } = readHeader(bytes, subject);
    if (type === '5' && size === 0) continue;
    if (type !== '0' && type !== '\0') throw damaged(subject, `${JSON.stringify(path)} is no regular file`);
    yield { path, size, content: reader.stream(size) };
    await reader.take(-size & (RECORD - 1));
  }
}

function readHeader(bytes: Buffer, subject: string): { path: string; size: number; type: string } {
  const field = (at: number, length: number) => bytes.toString('latin1', at, at + length).split('\0', 1)[0] ?? '';
  const number = (at: number, length: number) => {
    const text = field(at, length).trim();
    return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
  };
  const type = bytes.toString('latin1', 156, 157);
  const summed = Buffer.from(bytes).fill(' ', 148, 156);
  if (number(148, 8) !== checksum(summed)) throw damaged(subject, 'the checksum of a header is wrong');
  const size = number(124, 12);
  if (!Number.isSafeInteger(size)) throw damaged(subject, 'a file in it has no usable size');
  const prefix = field(257, 6) === 'ustar' ? field(345, 155) : '';
  return { path: `${prefix === '' ? '' : `${prefix}/`}${field(0, 100)}`, size, type };
}

/** Cuts chunks into pieces of given lengths. */
class RecordReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #subject: string;
  #rest: Uint8Array = new Uint8Array();

  constructor(chunks: AsyncIterable<Uint8Array>, subject: string) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#subject = subject;
  }

  async take(length: number): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.stream(length)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  async *stream(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0; ) {
      const chunk = await this.#next();
      if (chunk === undefined) throw damaged(this.#subject, 'it is cut off');
      const piece = chunk.subarray(0, left);
      this.#rest = chunk.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  /** What is behind the end are zeroes, and not many. */
  async skipPadding(): Promise<void> {
    let count = 0;
    for (let chunk = await this.#next(); chunk !== undefined; chunk = await this.#next()) {
      this.#rest = new Uint8Array();
      count += chunk.length;
      if (count > MOST_PADDING || chunk.some((byte) => byte !== 0))
        throw damaged(this.#subject, 'it goes on after its end');
    }
  }

  async #next(): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return undefined;
      this.#rest = value;
    }
    return this.#rest;
  }
}

function checksum(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum + byte, 0);
}

function damaged(subject: string, fault: string): ZlayerError {
  return new ZlayerError('PULL_FAILED', `${subject} is no layer of a bundle: ${fault}`, { subject });
}
