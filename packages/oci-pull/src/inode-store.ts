import type { ByteString } from './byte-string.ts';
import type { InodeMetadata, LeafInode } from './layer-contents.ts';
import { noXattrs, type TarEntryType, type Xattrs } from './tar-entry.ts';

/** An inode of an {@link InodeStore}. */
export type InodeNumber = number;

/** What to keep: the fields that its type does not have are 0 and ''. */
export interface NewInode extends InodeMetadata {
  readonly type: TarEntryType;
  readonly size: number;
  /** Where a content sink put the bytes of a file that has any. */
  readonly content: number;
  /** Target of a symlink or a hard link. */
  readonly linkPath: ByteString;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

const types: readonly TarEntryType[] = ['file', 'directory', 'symlink', 'hardlink', 'character', 'block', 'fifo'];

/** Places of the numbers of an inode. */
const typeAndMode = 0;
const uid = 1;
const gid = 2;
const mtime = 3;
const nanoseconds = 4;
const sizeOrMajor = 5;
const contentOrMinor = 6;
const layer = 7;
const width = 8;

const modes = 0o10000;
const inodesOfPage = 4096;

/**
 * The inodes of all layers of an image, each under a number: 64 bytes for each, in pages outside of the collected heap.
 * As objects they would take thrice as much, and while they come they would make V8 grow its young generation by tens of
 * megabytes.
 */
export class InodeStore {
  readonly #pages: Float64Array[] = [];
  readonly #targets = new Map<InodeNumber, ByteString>();
  readonly #xattrs = new Map<InodeNumber, Xattrs>();
  #count = 0;

  /** @param ofLayer The layer that brings it, for {@link layerOf}. */
  add(inode: NewInode, ofLayer: number): InodeNumber {
    const number = this.#count++;
    if (number % inodesOfPage === 0) this.#pages.push(new Float64Array(inodesOfPage * width));
    const isFile = inode.type === 'file';
    this.#set(number, typeAndMode, types.indexOf(inode.type) * modes + inode.mode);
    this.#set(number, uid, inode.uid);
    this.#set(number, gid, inode.gid);
    this.#set(number, mtime, inode.mtime);
    this.#set(number, nanoseconds, inode.nanoseconds);
    this.#set(number, sizeOrMajor, isFile ? inode.size : inode.deviceMajor);
    this.#set(number, contentOrMinor, isFile ? inode.content : inode.deviceMinor);
    this.#set(number, layer, ofLayer);
    if (inode.linkPath !== '') this.#targets.set(number, inode.linkPath);
    if (inode.xattrs.size > 0) this.#xattrs.set(number, inode.xattrs);
    return number;
  }

  typeOf(inode: InodeNumber): TarEntryType {
    return types[Math.floor(this.#get(inode, typeAndMode) / modes)] ?? 'file';
  }

  layerOf(inode: InodeNumber): number {
    return this.#get(inode, layer);
  }

  /** Bytes of a file. */
  sizeOf(inode: InodeNumber): number {
    return this.#get(inode, sizeOrMajor);
  }

  /** What a content sink gave for a file. */
  contentOf(inode: InodeNumber): number {
    return this.#get(inode, contentOrMinor);
  }

  /** Target of a symlink or a hard link. */
  targetOf(inode: InodeNumber): ByteString {
    return this.#targets.get(inode) ?? '';
  }

  metadataOf(inode: InodeNumber): InodeMetadata {
    return {
      mode: this.#get(inode, typeAndMode) % modes,
      uid: this.#get(inode, uid),
      gid: this.#get(inode, gid),
      mtime: this.#get(inode, mtime),
      nanoseconds: this.#get(inode, nanoseconds),
      xattrs: this.#xattrs.get(inode) ?? noXattrs,
    };
  }

  /** All of an inode that is neither a directory nor a hard link. */
  leaf(inode: InodeNumber): LeafInode {
    const metadata = this.metadataOf(inode);
    const type = this.typeOf(inode);
    switch (type) {
      case 'file':
        return { type, ...metadata, size: this.sizeOf(inode), content: this.contentOf(inode) };
      case 'symlink':
        return { type, ...metadata, target: this.targetOf(inode) };
      case 'character':
      case 'block':
      case 'fifo': {
        const [deviceMajor, deviceMinor] = [this.#get(inode, sizeOrMajor), this.#get(inode, contentOrMinor)];
        return { type, ...metadata, deviceMajor, deviceMinor };
      }
      default:
        throw new TypeError(`inode ${inode} is a ${type}`);
    }
  }

  #get(inode: InodeNumber, field: number): number {
    return this.#pages[Math.floor(inode / inodesOfPage)]?.[(inode % inodesOfPage) * width + field] ?? 0;
  }

  #set(inode: InodeNumber, field: number, value: number): void {
    const page = this.#pages[Math.floor(inode / inodesOfPage)];
    if (page !== undefined) page[(inode % inodesOfPage) * width + field] = value;
  }
}
