import { byteStringOf } from './byte-string.ts';
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
    mtime: mtime === undefined ? header.mtime : Number(mtime),
  };
}

const xattrPrefix = 'SCHILY.xattr.';

export function xattrsOf(records: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> {
  const xattrs = new Map<string, Buffer>();
  for (const [key, value] of records) {
    if (key.startsWith(xattrPrefix)) xattrs.set(key.slice(xattrPrefix.length), Buffer.from(value));
  }
  return xattrs;
}
