import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { setImmediate as otherWork } from 'node:timers/promises';
import { type ByteString, byteString, systemPath } from './byte-string.ts';
import type { ContentSink, ContentWriter } from './content-sink.ts';
import { systemErrorCode } from './errors.ts';
import { applyXattrs, loadSetXattr } from './extended-attributes.ts';
import type { FlattenedTree, TreeDirectory } from './flattened-tree.ts';
import type { InodeNumber } from './inode-store.ts';
import type { InodeMetadata, LeafInode, SpecialInode } from './layer-contents.ts';
import { makeNode } from './make-node.ts';
import type { LossRecorder } from './unpack-losses.ts';

/** Names made between two looks at what else the process has to do. */
const namesAtATime = 512;

/**
 * A root directory in the making. Contents come first, into a heap of numbered files that get their final owner, mode,
 * time and attributes; at the end they are renamed to where the flattened tree has them. So no name of an image meets
 * the disk before it is known to lead nowhere but into the directory.
 */
export class RootfsDirectory implements ContentSink {
  readonly parallelLayers = 3;
  readonly #root: ByteString;
  readonly #heap: string;
  readonly #setXattr: Awaited<ReturnType<typeof loadSetXattr>>;
  readonly #isRoot = process.getuid?.() === 0;
  /** Whom a new file belongs to without further ado. */
  readonly #ordinary: Readonly<{ uid: number; gid: number }>;
  /** What could not be given to the files in the heap: recorded for those that are in the final tree. */
  readonly #lostOwners = new Set<number>();
  readonly #lostXattrs = new Map<number, number>();
  #contents = 0;

  /**
   * @param directory An existing, empty one that only this process's user may enter; the image appears in it as
   * `rootfs`.
   */
  static async make(directory: string): Promise<RootfsDirectory> {
    return new RootfsDirectory(directory, await loadSetXattr());
  }

  private constructor(directory: string, setXattr: Awaited<ReturnType<typeof loadSetXattr>>) {
    this.#root = `${byteString(directory)}/rootfs`;
    this.#heap = `${directory}/heap`;
    this.#setXattr = setXattr;
    mkdirSync(this.#heap, 0o700);
    const probe = openNew(this.#heapPath(0));
    this.#ordinary = fstatSync(probe);
    closeSync(probe);
    unlinkSync(this.#heapPath(0));
  }

  begin(_size: number, metadata: InodeMetadata): ContentWriter {
    const content = this.#contents++;
    const path = this.#heapPath(content);
    const descriptor = openNew(path);
    return {
      write: (chunk) => {
        for (let offset = 0; offset < chunk.length; ) offset += writeSync(descriptor, chunk, offset);
        return undefined;
      },
      end: () => {
        try {
          const { owner, xattrs } = this.#describeFile(descriptor, path, metadata);
          if (!owner) this.#lostOwners.add(content);
          if (xattrs > 0) this.#lostXattrs.set(content, xattrs);
        } finally {
          closeSync(descriptor);
        }
        return content;
      },
      // What was written stays in the heap, which is removed as a whole.
      abort: () => closeSync(descriptor),
    };
  }

  discard(content: number): void {
    unlinkSync(this.#heapPath(content));
  }

  /** Makes the tree of the contents. Nothing may be begun after it. */
  async finish(tree: FlattenedTree, losses: LossRecorder, signal: AbortSignal): Promise<void> {
    const prefix = this.#root.length + 1;
    const first = new Map<InodeNumber, ByteString>();
    const directories: [ByteString, TreeDirectory][] = [];
    const waiting: [ByteString, TreeDirectory][] = [[this.#root, tree.root]];
    let names = 0;
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      directories.push(next);
      const [path, directory] = next;
      mkdirSync(systemPath(path), 0o700);
      for (const [name, inode] of directory.children) {
        const below = `${path}/${name}`;
        if (typeof inode === 'object') {
          waiting.push([below, inode]);
        } else {
          const existing = first.get(inode);
          const leaf = tree.inodes.leaf(inode);
          if (existing !== undefined) link(existing, below, leaf);
          else if (await this.#placeLeaf(below, leaf, losses, prefix, signal)) {
            if (tree.isLinked(inode)) first.set(inode, below);
          }
        }
        if (++names % namesAtATime === 0) {
          await otherWork();
          signal.throwIfAborted();
        }
      }
    }
    // The deepest first: filling a directory changes its time, and may need permissions that it must not keep.
    for (const [path, { metadata }] of directories.reverse()) {
      this.#record(losses, path.slice(prefix), this.#describe(systemPath(path), metadata, true));
    }
    await rm(this.#heap, { recursive: true, force: true });
  }

  async #placeLeaf(
    path: ByteString,
    inode: LeafInode,
    losses: LossRecorder,
    prefix: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const target = systemPath(path);
    let lost: Lost;
    if (inode.type === 'symlink') {
      symlinkSync(systemPath(inode.target), target);
      lost = this.#describe(target, inode, false);
    } else if (inode.type !== 'file') {
      if (!(await this.#makeSpecial(target, inode, signal))) {
        losses.add('devices', path.slice(prefix));
        return false;
      }
      lost = this.#describe(target, inode, true);
    } else if (inode.size === 0) {
      lost = this.#makeEmpty(target, inode);
    } else {
      renameSync(this.#heapPath(inode.content), target);
      lost = { owner: !this.#lostOwners.has(inode.content), xattrs: this.#lostXattrs.get(inode.content) ?? 0 };
    }
    this.#record(losses, path.slice(prefix), lost);
    return true;
  }

  #makeEmpty(target: string | Buffer, inode: InodeMetadata): Lost {
    const descriptor = openNew(target);
    try {
      return this.#describeFile(descriptor, target, inode);
    } finally {
      closeSync(descriptor);
    }
  }

  async #makeSpecial(target: string | Buffer, inode: SpecialInode, signal: AbortSignal): Promise<boolean> {
    // Only root may make devices, so there is no use in asking.
    return (this.#isRoot || inode.type === 'fifo') && (await makeNode(target, inode, signal));
  }

  #describeFile(descriptor: number, path: string | Buffer, { uid, gid, mode, mtime, xattrs }: InodeMetadata): Lost {
    // Changing the owner clears setuid, setgid and file capabilities, so it comes first.
    const owner = this.#own(uid, gid, () => fchownSync(descriptor, uid, gid));
    fchmodSync(descriptor, mode);
    futimesSync(descriptor, mtime, mtime);
    return { owner, xattrs: xattrs.size === 0 ? 0 : applyXattrs(this.#setXattr, path, xattrs) };
  }

  #describe(target: string | Buffer, { uid, gid, mode, mtime, xattrs }: InodeMetadata, hasMode: boolean): Lost {
    const owner = this.#own(uid, gid, () => lchownSync(target, uid, gid));
    const lost = xattrs.size === 0 ? 0 : applyXattrs(this.#setXattr, target, xattrs);
    if (hasMode) chmodSync(target, mode);
    lutimesSync(target, mtime, mtime);
    return { owner, xattrs: lost };
  }

  /** @returns Whether the entry belongs to whom it should. */
  #own(uid: number, gid: number, change: () => void): boolean {
    if (uid === this.#ordinary.uid && gid === this.#ordinary.gid) return true;
    if (!this.#isRoot) return false;
    try {
      change();
      return true;
    } catch (error) {
      // Root of a user namespace may only give files to the users that the namespace knows.
      if (systemErrorCode(error) !== 'EINVAL' && systemErrorCode(error) !== 'EPERM') throw error;
      return false;
    }
  }

  #record(losses: LossRecorder, path: ByteString, { owner, xattrs }: Lost): void {
    if (!owner) losses.add('owners', path);
    if (xattrs > 0) losses.add('xattrs', path, xattrs);
  }

  #heapPath(content: number): string {
    return `${this.#heap}/${content}`;
  }
}

/** What became of an entry's owner, and how many of its extended attributes are missing. */
interface Lost {
  readonly owner: boolean;
  readonly xattrs: number;
}

const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

function openNew(path: string | Buffer): number {
  return openSync(path, newFile, 0o600);
}

function link(from: ByteString, to: ByteString, inode: LeafInode): void {
  // Other systems than Linux follow a symlink here, out of the root, so there it gets a copy.
  if (inode.type !== 'symlink' || process.platform === 'linux') linkSync(systemPath(from), systemPath(to));
  else symlinkSync(readlinkSync(systemPath(from), { encoding: 'buffer' }), systemPath(to));
}
