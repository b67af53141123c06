import type { ByteString } from './byte-string.ts';

export type Xattrs = ReadonlyMap<string, Buffer>;

export const noXattrs: Xattrs = new Map();

export type TarEntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'character' | 'block' | 'fifo';

/** One entry of a tar archive, with what its extended headers say already applied. */
export interface TarEntry {
  readonly type: TarEntryType;
  /** As it stands in the archive: untrusted. */
  readonly path: ByteString;
  /** Target of a symlink or hard link, else empty. */
  readonly linkPath: ByteString;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content that follow; 0 for everything but files. */
  readonly size: number;
  /** Seconds since 1970, with a fraction if the archive has one. */
  readonly mtime: number;
  /** The fraction of `mtime` again, exactly, in nanoseconds. */
  readonly nanoseconds: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Extended attributes by name. */
  readonly xattrs: Xattrs;
}
