import { type ByteString, byteStringOf } from './byte-string.ts';
import type { TarEntry } from './tar-entry.ts';

export const blockSize = 512;

/** Thrown for an archive that cannot be read; whoever knows the layer's name tells it. */
export class TarError extends Error {
  override readonly name = 'TarError';
}

/** The fields of one header block, before extended headers are applied. */
export interface TarHeader extends Omit<TarEntry, 'type' | 'xattrs'> {
  readonly typeFlag: string;
}

/** Reads a header block of any of the dialects v7, ustar, PAX and GNU. */
export function parseTarHeader(block: Buffer): TarHeader {
  verifyChecksum(block);
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const isGnu = block.toString('latin1', 257, 265) === 'ustar  \0';
  const name = text(block, 0, 100);
  const prefix = isUstar ? text(block, 345, 155) : '';
  const devices = isUstar || isGnu;
  return {
    typeFlag: String.fromCharCode(block[156] ?? 0),
    path: prefix === '' ? name : `${prefix}/${name}`,
    linkPath: text(block, 157, 100),
    mode: number(block, 100, 8, 'mode') & 0o7777,
    uid: number(block, 108, 8, 'uid'),
    gid: number(block, 116, 8, 'gid'),
    size: number(block, 124, 12, 'size'),
    mtime: number(block, 136, 12, 'mtime'),
    nanoseconds: 0,
    deviceMajor: devices ? number(block, 329, 8, 'devmajor') : 0,
    deviceMinor: devices ? number(block, 337, 8, 'devminor') : 0,
  };
}

export function isZeroBlock(block: Buffer): boolean {
  for (let offset = 0; offset < blockSize; offset++) if (block[offset] !== 0) return false;
  return true;
}

/** Old writers summed signed bytes, so either sum is right. */
function verifyChecksum(block: Buffer): void {
  const expected = number(block, 148, 8, 'checksum');
  let unsigned = 8 * 0x20;
  let signed = unsigned;
  for (let offset = 0; offset < blockSize; offset++) {
    if (offset >= 148 && offset < 156) continue;
    const byte = block[offset] ?? 0;
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  if (expected !== unsigned && expected !== signed) throw new TarError('a header has a wrong checksum');
}

function text(block: Buffer, offset: number, length: number): ByteString {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return byteStringOf(end < 0 ? field : field.subarray(0, end));
}

/** Octal digits, or GNU's big-endian binary marked by the highest bit. */
function number(block: Buffer, offset: number, length: number, field: string): number {
  const first = block[offset] ?? 0;
  if (first >= 0x80) {
    const negative = first === 0xff;
    let value = negative ? -1n : BigInt(first & 0x7f);
    for (let index = 1; index < length; index++) value = (value << 8n) | BigInt(block[offset + index] ?? 0);
    return safe(value, field);
  }
  const digits = block.toString('latin1', offset, offset + length).replace(/^[ \0]+|[ \0].*$/gs, '');
  if (!/^[0-7]*$/.test(digits)) throw new TarError(`a header has no number as its ${field}`);
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function safe(value: bigint, field: string): number {
  const result = Number(value);
  if (!Number.isSafeInteger(result)) throw new TarError(`a header has a ${field} that is out of range`);
  return result;
}
