import type { ByteString } from './byte-string.ts';
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

/** An inode other than a directory; every name that is linked to it has the same object. */
export type LeafInode = FileInode | SymlinkInode | SpecialInode;

/** One entry of a layer that adds something. */
export type LayerEntry =
  | { readonly kind: 'leaf'; readonly path: ByteString; readonly inode: LeafInode }
  | { readonly kind: 'directory'; readonly path: ByteString; readonly metadata: InodeMetadata }
  | { readonly kind: 'link'; readonly path: ByteString; readonly target: ByteString };

/** One entry of a layer that hides something of the layers below. */
export interface Whiteout {
  readonly path: ByteString;
  /** The file or directory to hide; for an opaque directory, the directory whose content is hidden. */
  readonly hidden: readonly ByteString[];
  readonly isOpaque: boolean;
}

/** A whole layer as it stands in its archive. File contents lie in the sink already. */
export interface LayerContents {
  readonly entries: readonly LayerEntry[];
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
