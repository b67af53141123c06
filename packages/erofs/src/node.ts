import type { ByteString } from './byte-string.ts';
import type { FileData } from './file-data.ts';

/** What every entry of an image has. The writer reads nodes and changes nothing in them. */
export interface NodeAttributes {
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  mode: number;
  /** Owner, 0 to 2³² − 2. */
  uid: number;
  /** Group, 0 to 2³² − 2. */
  gid: number;
  /** Time of the last change of the content, in whole seconds since 1970; may be negative. */
  mtime: number;
  /** What comes on top of `mtime`, 0 to 999 999 999. Default: 0. */
  mtimeNanoseconds?: number | undefined;
  /**
   * Extended attributes by full name (`user.x`, `trusted.overlay.opaque`, `security.capability`,
   * `system.posix_acl_access`), values as the kernel takes them. Default: none.
   */
  xattrs?: Iterable<readonly [name: ByteString, value: Uint8Array]> | undefined;
}

export interface DirectoryNode extends NodeAttributes {
  type: 'directory';
  /**
   * Usually a `Map`; in any order, and iterated once. A directory is in exactly one other; any other node may be there
   * more than once, which makes hard links.
   */
  entries: Iterable<readonly [name: ByteString, node: ErofsNode]>;
}

export interface FileNode extends NodeAttributes {
  type: 'file';
  /** What the writer gave for the content; several files may share it. Default: an empty file. */
  data?: FileData | undefined;
}

export interface SymlinkNode extends NodeAttributes {
  type: 'symlink';
  /** 1 to 4095 bytes. */
  target: ByteString;
}

export interface DeviceNode extends NodeAttributes {
  type: 'character-device' | 'block-device';
  /** 0 to 4095. */
  major: number;
  /** 0 to 1 048 575. */
  minor: number;
}

export interface PipeNode extends NodeAttributes {
  type: 'fifo' | 'socket';
}

export type ErofsNode = DirectoryNode | FileNode | SymlinkNode | DeviceNode | PipeNode;
