import { type ByteString, displayBytes } from './byte-string.ts';
import { Column } from './column.ts';
import { DirectoryBlocks, DirectoryDraft } from './directory-blocks.ts';
import { ErofsError, type ErofsErrorCode } from './erofs-error.ts';
import { FileData } from './file-data.ts';
import { BLOCK_SIZE, blocksFor, COMPACT_INODE_SIZE, EXTENDED_INODE_SIZE } from './format.ts';
import type { ErofsNode } from './node.ts';
import { type AttributeList, bodySize, NO_ATTRIBUTES, XattrTable } from './xattrs.ts';

const TYPES: Record<ErofsNode['type'], { mode: number; dirent: number }> = {
  file: { mode: 0o100000, dirent: 1 },
  directory: { mode: 0o040000, dirent: 2 },
  'character-device': { mode: 0o020000, dirent: 3 },
  'block-device': { mode: 0o060000, dirent: 4 },
  fifo: { mode: 0o010000, dirent: 5 },
  socket: { mode: 0o140000, dirent: 6 },
  symlink: { mode: 0o120000, dirent: 7 },
};
const DIRENT_TYPES = new Map(Object.values(TYPES).map(({ mode, dirent }) => [mode, dirent]));
const TYPE_MASK = 0o170000;

/** What an inode has beside its numbers: the bytes of a file, the target of a symlink, or the entries of a directory. */
export type InodeContent = FileData | ByteString | DirectoryDraft | DirectoryBlocks | undefined;

/** The one time that inodes of the short form have. */
export interface CommonTime {
  seconds: number;
  nanoseconds: number;
}

/**
 * All inodes of an image, by index: the root first, the others in the order in which the tree has them. Their numbers lie
 * in columns, since an object for each of a million inodes takes ten times the room.
 */
export class InodeTable {
  readonly xattrs = new XattrTable();
  readonly #contents: InodeContent[] = [];
  readonly #attributes = new Map<number, AttributeList>();
  readonly #parent = Column.u32();
  readonly #mode = Column.u16();
  readonly #uid = Column.u32();
  readonly #gid = Column.u32();
  readonly #seconds = Column.wide();
  readonly #nanoseconds = Column.u32();
  readonly #links = Column.u32();
  readonly #device = Column.u32();
  readonly #headSize = Column.u32();
  readonly #inlineSize = Column.u16();
  readonly #firstBlock = Column.u32();
  readonly #nid = Column.wide();

  get length(): number {
    return this.#contents.length;
  }

  /** Adds an inode whose numbers are known to be in range, with one link, and returns its index. */
  add(node: ErofsNode, parent: number, content: InodeContent, attributes: AttributeList): number {
    const index = this.#contents.push(content) - 1;
    this.#parent.set(index, parent);
    this.#mode.set(index, TYPES[node.type].mode | node.mode);
    this.#uid.set(index, node.uid);
    this.#gid.set(index, node.gid);
    this.#seconds.set(index, node.mtime);
    this.#nanoseconds.set(index, node.mtimeNanoseconds ?? 0);
    this.#links.set(index, 1);
    if ('major' in node) this.#device.set(index, encodeDevice(node.major, node.minor));
    if (attributes.length > 0) this.#attributes.set(index, attributes);
    return index;
  }

  addLink(index: number): void {
    this.#links.set(index, this.#links.get(index) + 1);
  }

  closeDirectory(index: number, draft: DirectoryDraft): void {
    const typeOf = (inode: number) => DIRENT_TYPES.get(this.#mode.get(inode) & TYPE_MASK) ?? 0;
    this.#contents[index] = draft.close(typeOf, (name) => {
      throw new ErofsError('DUPLICATE_NAME', 'another entry has this name', { entry: this.pathOf(index, name) });
    });
  }

  content(index: number): InodeContent {
    return this.#contents[index];
  }

  /** Bytes of content. */
  size(index: number): number {
    const content = this.#contents[index];
    if (typeof content === 'string') return content.length;
    return content instanceof FileData || content instanceof DirectoryBlocks ? content.size : 0;
  }

  /** How many blocks of its own the content has. */
  blocks(index: number): number {
    return blocksFor(this.size(index) - this.inlineSize(index));
  }

  /** Bytes of the content behind its whole blocks, to be put behind the inode. */
  rest(index: number): number {
    const content = this.#contents[index];
    return content instanceof FileData ? content.tailLength : this.size(index) % BLOCK_SIZE;
  }

  /** Inode and extended attributes. */
  headSize(index: number): number {
    return this.#headSize.get(index);
  }

  /** Bytes of content that lie behind the head. */
  inlineSize(index: number): number {
    return this.#inlineSize.get(index);
  }

  /** Lets the rest of the content follow the head, if a block holds both. */
  layOutRest(index: number): void {
    const rest = this.rest(index);
    if (this.headSize(index) + rest <= BLOCK_SIZE) this.#inlineSize.set(index, rest);
  }

  /** Place in units of 32 bytes from the beginning of the metadata. */
  readonly nid = (index: number): number => this.#nid.get(index);

  setNid(index: number, nid: number): void {
    this.#nid.set(index, nid);
  }

  /** Where the content's blocks begin. */
  firstBlock(index: number): number {
    return this.#firstBlock.get(index);
  }

  setFirstBlock(index: number, block: number): void {
    this.#firstBlock.set(index, block);
  }

  attributes(index: number): AttributeList {
    return this.#attributes.get(index) ?? NO_ATTRIBUTES;
  }

  /** Type and permissions, owner, time and links. */
  fields(index: number) {
    return {
      mode: this.#mode.get(index),
      uid: this.#uid.get(index),
      gid: this.#gid.get(index),
      seconds: this.#seconds.get(index),
      nanoseconds: this.#nanoseconds.get(index),
      links: this.#links.get(index),
      /** Of a device; 0 for others. */
      device: this.#device.get(index),
    };
  }

  /** The time that most inodes have, and that those need not spell out. */
  mostCommonTime(): CommonTime {
    const counts = new Map<number | string, number>();
    let most = 0;
    let common = { seconds: 0, nanoseconds: 0 };
    for (let index = 0; index < this.length; index++) {
      const seconds = this.#seconds.get(index);
      const nanoseconds = this.#nanoseconds.get(index);
      const key = nanoseconds === 0 ? seconds : `${seconds}.${nanoseconds}`;
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      if (count > most) {
        most = count;
        common = { seconds, nanoseconds };
      }
    }
    return common;
  }

  /** Whether the inode needs the long form. */
  isExtended(index: number, common: CommonTime): boolean {
    return (
      this.#uid.get(index) > 0xffff ||
      this.#gid.get(index) > 0xffff ||
      this.#links.get(index) > 0xffff ||
      this.size(index) > 0xffff_ffff ||
      this.#seconds.get(index) !== common.seconds ||
      this.#nanoseconds.get(index) !== common.nanoseconds
    );
  }

  measureHead(index: number, common: CommonTime): void {
    const inodeSize = this.isExtended(index, common) ? EXTENDED_INODE_SIZE : COMPACT_INODE_SIZE;
    const xattrSize = bodySize(this.attributes(index), (fault) => this.fail('INVALID_XATTR', fault, index));
    this.#headSize.set(index, inodeSize + xattrSize);
  }

  /** The path of an entry where it was met first, quoted; `name` is one that is not in the directory yet. */
  pathOf(index: number, name?: ByteString): string {
    const parts = name === undefined ? [] : [name];
    for (let at = index; at !== 0 && parts.length < 64; at = this.#parent.get(at)) {
      const parent = this.#contents[this.#parent.get(at)];
      const isDirectory = parent instanceof DirectoryBlocks || parent instanceof DirectoryDraft;
      parts.push((isDirectory ? parent.nameOf(at) : undefined) ?? '');
    }
    return displayBytes(`/${parts.reverse().join('/')}`);
  }

  fail(code: ErofsErrorCode, message: string, index: number, name?: ByteString): never {
    throw new ErofsError(code, message, { entry: this.pathOf(index, name) });
  }
}

/** As the kernel's new_encode_dev. */
function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}
