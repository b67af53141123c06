import { ZlayerError } from '@zlayer/runtime-core';
import type { InitramfsEntry } from './entry.ts';

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';
const HEADER_LENGTH = 110;
const LARGEST_FILE = 0xffff_ffff;
const LONGEST_NAME = 4095;

const TYPE_BITS = {
  directory: 0o040000,
  file: 0o100000,
  symlink: 0o120000,
  'character-device': 0o020000,
} as const;

const DEFAULT_MODE = {
  directory: 0o755,
  file: 0o644,
  symlink: 0o777,
  'character-device': 0o600,
} as const;

/**
 * Writes a cpio archive in the "newc" format, the one that Linux unpacks as its initramfs.
 *
 * The same entries give the same bytes, in whatever order they come: they are sorted by path (so a folder is before
 * what is in it), every time is 0, every owner root, and inode numbers are counted. Folders on the way to an entry
 * must be entries themselves.
 *
 * @throws {ZlayerError} `INVALID_SPEC` for a path that is empty, absolute, has `.` or `..` parts or a NUL, is there
 * twice, or has no folder; for a file of 4 GiB or more.
 */
export function writeCpio(entries: Iterable<InitramfsEntry>): Uint8Array {
  const sorted = [...entries].sort((a, b) => comparePaths(a.path, b.path));
  checkPaths(sorted);
  const parts: Uint8Array[] = [];
  let inode = 0;
  for (const entry of sorted) parts.push(...member(entry, ++inode));
  parts.push(...record({ name: TRAILER, data: new Uint8Array() }));
  return concat(parts);
}

/** Byte order of the encoded paths; `/` counts as the lowest byte, so a folder's content follows it at once. */
function comparePaths(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a.replaceAll('/', '\0')), Buffer.from(b.replaceAll('/', '\0')));
}

function checkPaths(sorted: readonly InitramfsEntry[]): void {
  const folders = new Set<string>();
  let previous: string | undefined;
  for (const { path, type } of sorted) {
    const parts = path.split('/');
    if (path.includes('\0') || parts.some((part) => part === '' || part === '.' || part === '..')) {
      throw invalid(path, 'is not a plain relative path');
    }
    if (Buffer.byteLength(path) > LONGEST_NAME) throw invalid(path, `is longer than ${LONGEST_NAME} bytes`);
    if (path === TRAILER) throw invalid(path, "is the name of the archive's end");
    if (path === previous) throw invalid(path, 'is there twice');
    const folder = parts.slice(0, -1).join('/');
    if (folder !== '' && !folders.has(folder)) throw invalid(path, `needs an entry for its folder "${folder}"`);
    if (type === 'directory') folders.add(path);
    previous = path;
  }
}

function invalid(path: string, fault: string): ZlayerError {
  return new ZlayerError('INVALID_SPEC', `initramfs entry "${path}" ${fault}`, { subject: path });
}

function member(entry: InitramfsEntry, inode: number): Uint8Array[] {
  const permissions = entry.type === 'symlink' ? undefined : entry.mode;
  const mode = TYPE_BITS[entry.type] | ((permissions ?? DEFAULT_MODE[entry.type]) & 0o7777);
  const links = entry.type === 'directory' ? 2 : 1;
  const data = contentOf(entry);
  if (data.length > LARGEST_FILE) throw invalid(entry.path, 'is 4 GiB or larger');
  const device = entry.type === 'character-device' ? { major: entry.major, minor: entry.minor } : {};
  return record({ name: entry.path, data, inode, mode, links, ...device });
}

function contentOf(entry: InitramfsEntry): Uint8Array {
  if (entry.type === 'file') return entry.data;
  return entry.type === 'symlink' ? Buffer.from(entry.target) : new Uint8Array();
}

interface RecordFields {
  name: string;
  data: Uint8Array;
  inode?: number;
  mode?: number;
  links?: number;
  major?: number;
  minor?: number;
}

function record(fields: RecordFields): Uint8Array[] {
  const name = Buffer.from(`${fields.name}\0`);
  const numbers = [
    fields.inode ?? 0,
    fields.mode ?? 0,
    0, // uid
    0, // gid
    fields.links ?? 1,
    0, // modification time
    fields.data.length,
    0, // major number of the device that holds the file
    0, // and its minor number
    fields.major ?? 0,
    fields.minor ?? 0,
    name.length,
    0, // checksum, unused in this format
  ];
  const header = Buffer.from(MAGIC + numbers.map((number) => number.toString(16).padStart(8, '0')).join(''));
  return [header, name, padding(HEADER_LENGTH + name.length), fields.data, padding(fields.data.length)];
}

function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
