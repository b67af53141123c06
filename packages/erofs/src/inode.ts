import { type ByteString, displayBytes } from './byte-string.ts';
import type { DirectoryBlocks } from './directory-blocks.ts';
import { ErofsError, type ErofsErrorCode } from './erofs-error.ts';
import {
  BLOCK_SIZE,
  blocksFor,
  COMPACT_INODE_SIZE,
  EXTENDED_INODE_SIZE,
  LAYOUT_INLINE,
  LAYOUT_PLAIN,
} from './format.ts';
import type { ErofsNode } from './node.ts';
import { type AttributeList, bodyCount, bodySize, encodeBody, NO_ATTRIBUTES } from './xattrs.ts';

const TYPE_BITS: Record<ErofsNode['type'], number> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  'character-device': 0o020000,
  'block-device': 0o060000,
  fifo: 0o010000,
  socket: 0o140000,
};

/** One inode of the image, on its way from a node to bytes. */
export class Inode {
  readonly node: ErofsNode;
  /** Where it was met first; the root is its own parent. */
  readonly parent: Inode;
  readonly name: ByteString;
  /** Counts from 1 in the order of the walk. */
  readonly number: number;
  links = 1;
  attributes: AttributeList = NO_ATTRIBUTES;
  /** Of a directory, as soon as all of its entries are known. */
  directory: DirectoryBlocks | undefined;
  extended = false;
  /** Inode and extended attributes. */
  headSize = 0;
  /** Bytes of content that lie behind the head. */
  inlineSize = 0;
  /** Where the content's blocks begin. */
  firstBlock = 0;
  /** Place in units of 32 bytes from the beginning of the metadata. */
  nid = 0;

  constructor(node: ErofsNode, parent: Inode | undefined, name: ByteString, number: number) {
    this.node = node;
    this.parent = parent ?? this;
    this.name = name;
    this.number = number;
  }

  /** Bytes of content. */
  get size(): number {
    const { node } = this;
    if (node.type === 'file') return node.data?.size ?? 0;
    if (node.type === 'symlink') return node.target.length;
    return this.directory?.size ?? 0;
  }

  /** How many blocks of its own the content has. */
  get blocks(): number {
    return blocksFor(this.size - this.inlineSize);
  }

  /** Where it was met first, for messages. */
  get path(): string {
    return pathOf(this);
  }

  fail(code: ErofsErrorCode, message: string): never {
    throw new ErofsError(code, message, { entry: this.path });
  }

  /** Chooses the short or the long form. `common` is the one time that the short form can have. */
  chooseForm(common: { seconds: number; nanoseconds: number }): void {
    const { uid, gid, mtime, mtimeNanoseconds } = this.node;
    this.extended =
      uid > 0xffff ||
      gid > 0xffff ||
      this.links > 0xffff ||
      this.size > 0xffff_ffff ||
      mtime !== common.seconds ||
      (mtimeNanoseconds ?? 0) !== common.nanoseconds;
    const xattrSize = bodySize(this.attributes, (fault) => this.fail('INVALID_XATTR', fault));
    this.headSize = (this.extended ? EXTENDED_INODE_SIZE : COMPACT_INODE_SIZE) + xattrSize;
  }

  /** Lets `rest` bytes of the content follow the head, if a block holds both. Tells whether it does. */
  tryInline(rest: number): boolean {
    const fits = this.headSize + rest <= BLOCK_SIZE;
    this.inlineSize = fits ? rest : 0;
    return fits;
  }

  /** Writes the head. The target must be zero. */
  encodeHead(target: Buffer, offset: number): void {
    const { node } = this;
    const inodeSize = this.extended ? EXTENDED_INODE_SIZE : COMPACT_INODE_SIZE;
    const layout = this.inlineSize > 0 ? LAYOUT_INLINE : LAYOUT_PLAIN;
    target.writeUInt16LE((layout << 1) | (this.extended ? 1 : 0), offset);
    target.writeUInt16LE(bodyCount(this.headSize - inodeSize), offset + 2);
    target.writeUInt16LE(TYPE_BITS[node.type] | node.mode, offset + 4);
    target.writeUInt32LE(this.#place(), offset + 16);
    target.writeUInt32LE(this.number, offset + 20);
    if (this.extended) {
      target.writeBigUInt64LE(BigInt(this.size), offset + 8);
      target.writeUInt32LE(node.uid, offset + 24);
      target.writeUInt32LE(node.gid, offset + 28);
      target.writeBigInt64LE(BigInt(node.mtime), offset + 32);
      target.writeUInt32LE(node.mtimeNanoseconds ?? 0, offset + 40);
      target.writeUInt32LE(this.links, offset + 44);
    } else {
      target.writeUInt16LE(this.links, offset + 6);
      target.writeUInt32LE(this.size, offset + 8);
      target.writeUInt16LE(node.uid, offset + 24);
      target.writeUInt16LE(node.gid, offset + 26);
    }
    encodeBody(this.attributes, target, offset + inodeSize);
  }

  /** The field that tells where the content is, or which device it is. */
  #place(): number {
    const { node } = this;
    if (node.type === 'character-device' || node.type === 'block-device') return encodeDevice(node.major, node.minor);
    return this.blocks > 0 ? this.firstBlock : 0;
  }
}

/** The path of an entry, quoted; `name` is one that is not in `directory` yet. */
export function pathOf(directory: Inode, name?: ByteString): string {
  const parts = name === undefined ? [] : [name];
  for (let inode = directory; inode.parent !== inode && parts.length < 64; inode = inode.parent) parts.push(inode.name);
  return displayBytes(`/${parts.reverse().join('/')}`);
}

/** As the kernel's new_encode_dev. */
function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}
