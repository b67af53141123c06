import type { ByteString } from './byte-string.ts';
import type { InodeNumber } from './inode-store.ts';
import { EntryError } from './rootfs-path.ts';
import type { TarEntry, Xattrs } from './tar-entry.ts';

/** What every kind of inode has. */
export interface InodeMetadata {
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, with a fraction. */
  readonly mtime: number;
  /** The fraction of `mtime` again, exactly. */
  readonly nanoseconds: number;
  readonly xattrs: Xattrs;
}

export interface FileInode extends InodeMetadata {
  readonly type: 'file';
  readonly size: number;
  /** Where a content sink put the bytes; meaningless for an empty file. */
  readonly content: number;
}

export interface SymlinkInode extends InodeMetadata {
  readonly type: 'symlink';
  readonly target: ByteString;
}

export interface SpecialInode extends InodeMetadata {
  readonly type: 'character' | 'block' | 'fifo';
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

/** An inode other than a directory. */
export type LeafInode = FileInode | SymlinkInode | SpecialInode;

/** One entry of a layer that hides something of the layers below. */
export interface Whiteout {
  readonly path: ByteString;
  /** The file or directory to hide; for an opaque directory, the directory whose content is hidden. */
  readonly hidden: readonly ByteString[];
  readonly isOpaque: boolean;
}

/** A whole layer as it stands in its archive. File contents lie in the sink already. */
export interface LayerContents {
  /** Of each entry that adds something, in the order of the archive. */
  readonly paths: readonly ByteString[];
  /** What each path is to be: a leaf, a directory, or a hard link. */
  readonly inodes: readonly InodeNumber[];
  readonly whiteouts: readonly Whiteout[];
}

/** Labels that concern the machine or the storage driver that a layer comes from, not the image. */
const foreignXattr = /^(security\.selinux|system\.nfs4_acl|(trusted|user)\.overlay\..*)$/s;

/** Limits of Linux, in bytes. */
const maximumXattrName = 255;
const maximumXattrValue = 65_536;

export function metadataOf({ mode, uid, gid, mtime, nanoseconds, xattrs }: TarEntry): InodeMetadata {
  return { mode, uid, gid, mtime, nanoseconds, xattrs: xattrs.size === 0 ? xattrs : ownXattrs(xattrs) };
}

function ownXattrs(xattrs: Xattrs): Xattrs {
  for (const [name, value] of xattrs) {
    const isPossible = name !== '' && !name.includes('\0') && Buffer.byteLength(name) <= maximumXattrName;
    if (!isPossible || value.length > maximumXattrValue) {
      throw new EntryError('CORRUPT_LAYER', 'it has an extended attribute that Linux does not allow');
    }
  }
  return new Map([...xattrs].filter(([name]) => !foreignXattr.test(name)));
}
