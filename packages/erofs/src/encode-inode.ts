import { COMPACT_INODE_SIZE, EXTENDED_INODE_SIZE, LAYOUT_INLINE, LAYOUT_PLAIN } from './format.ts';
import type { CommonTime, InodeTable } from './inode-table.ts';
import { bodyCount, encodeBody } from './xattrs.ts';

/** Writes an inode and its extended attributes. The target must be zero. */
export function encodeInode(
  inodes: InodeTable,
  index: number,
  common: CommonTime,
  target: Buffer,
  offset: number,
): void {
  const { mode, uid, gid, seconds, nanoseconds, links, device } = inodes.fields(index);
  const isExtended = inodes.isExtended(index, common);
  const inodeSize = isExtended ? EXTENDED_INODE_SIZE : COMPACT_INODE_SIZE;
  const layout = inodes.inlineSize(index) > 0 ? LAYOUT_INLINE : LAYOUT_PLAIN;
  target.writeUInt16LE((layout << 1) | (isExtended ? 1 : 0), offset);
  target.writeUInt16LE(bodyCount(inodes.headSize(index) - inodeSize), offset + 2);
  target.writeUInt16LE(mode, offset + 4);
  // Where the content is, or which device it is.
  target.writeUInt32LE(inodes.blocks(index) > 0 ? inodes.firstBlock(index) : device, offset + 16);
  target.writeUInt32LE(index + 1, offset + 20);
  if (isExtended) {
    target.writeBigUInt64LE(BigInt(inodes.size(index)), offset + 8);
    target.writeUInt32LE(uid, offset + 24);
    target.writeUInt32LE(gid, offset + 28);
    target.writeBigInt64LE(BigInt(seconds), offset + 32);
    target.writeUInt32LE(nanoseconds, offset + 40);
    target.writeUInt32LE(links, offset + 44);
  } else {
    target.writeUInt16LE(links, offset + 6);
    target.writeUInt32LE(inodes.size(index), offset + 8);
    target.writeUInt16LE(uid, offset + 24);
    target.writeUInt16LE(gid, offset + 26);
  }
  encodeBody(inodes.attributes(index), target, offset + inodeSize);
}
