import { byteStringOf } from './byte-string.ts';
import { noXattrs, type Xattrs } from './tar-entry.ts';
import { TarError, type TarHeader } from './tar-header.ts';

/** Records of a PAX extended header: `length key=value\n`, the length in decimal and counting itself. */
export function parsePaxRecords(bytes: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  let offset = 0;
  while (offset < bytes.length) {
    // GNU tar pads with NUL in some versions; nothing may follow it.
    if (bytes[offset] === 0 && bytes.subarray(offset).every((byte) => byte === 0)) break;
    const space = bytes.indexOf(0x20, offset);
    const digits = space < 0 || space - offset > 10 ? '' : bytes.toString('latin1', offset, space);
    const length = /^[1-9][0-9]*$/.test(digits) ? Number(digits) : 0;
    const end = offset + length;
    const equals = bytes.indexOf(0x3d, space);
    if (length === 0 || end > bytes.length || bytes[end - 1] !== 0x0a || equals <= space || equals >= end) {
      throw new TarError('an extended header is malformed');
    }
    records.set(bytes.toString('utf8', space + 1, equals), bytes.subarray(equals + 1, end - 1));
    offset = end;
  }
  return records;
}

/** A header with the overrides of the extended header before it. An empty value counts as none. */
export function applyPaxRecords(header: TarHeader, records: ReadonlyMap<string, Buffer>): TarHeader {
  if (records.size === 0) return header;
  for (const key of records.keys()) {
    if (key.startsWith('GNU.sparse.')) throw new TarError('sparse files are not supported');
  }
  const get = (key: string) => {
    const value = records.get(key);
    return value === undefined || value.length === 0 ? undefined : value;
  };
  const bytes = (key: string, otherwise: string) => {
    const value = get(key);
    return value === undefined ? otherwise : byteStringOf(value);
  };
  const integer = (key: string, otherwise: number) => {
    const value = get(key)?.toString('latin1');
    if (value === undefined) return otherwise;
    if (!/^[0-9]{1,16}$/.test(value)) throw new TarError(`an extended header has no number as its ${key}`);
    return Number(value);
  };
  const mtime = get('mtime')?.toString('latin1');
  if (mtime !== undefined && !/^-?[0-9]{1,15}(\.[0-9]*)?$/.test(mtime)) {
    throw new TarError('an extended header has no number as its mtime');
  }
  return {
    ...header,
    path: bytes('path', header.path),
    linkPath: bytes('linkpath', header.linkPath),
    size: integer('size', header.size),
    uid: integer('uid', header.uid),
    gid: integer('gid', header.gid),
    ...(mtime === undefined ? {} : { mtime: Number(mtime), nanoseconds: nanosecondsOf(mtime) }),
  };
}

/** The fraction counts upwards, also of a time before 1970. Digits beyond the ninth are cut off. */
function nanosecondsOf(time: string): number {
  const digits = time.split('.', 2)[1] ?? '';
  const fraction = Number(digits.slice(0, 9).padEnd(9, '0'));
  return time.startsWith('-') && fraction > 0 ? 1_000_000_000 - fraction : fraction;
}

/** GNU tar, Docker, containerd and umoci write values as they are; libarchive as base64 under an encoded name. */
const plainPrefix = 'SCHILY.xattr.';
const encodedPrefix = 'LIBARCHIVE.xattr.';
export function xattrsOf(records: ReadonlyMap<string, Buffer>): Xattrs {
  if (records.size === 0) return noXattrs;
  const xattrs = new Map<string, Buffer>();
  for (const [key, value] of records) {
    if (key.startsWith(plainPrefix)) {
      xattrs.set(key.slice(plainPrefix.length), Buffer.from(value));
    } else if (key.startsWith(encodedPrefix)) {
      const name = decoded(key.slice(encodedPrefix.length));
      // Archives that have both forms mean the same by them.
      if (!records.has(`${plainPrefix}${name}`)) xattrs.set(name, Buffer.from(value.toString('latin1'), 'base64'));
    }
  }
  return xattrs.size === 0 ? noXattrs : xattrs;
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    throw new TarError('the name of an extended attribute is malformed');
  }
}
