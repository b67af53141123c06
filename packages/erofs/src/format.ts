// Numbers of the on-disk format, as in the Linux kernel's fs/erofs/erofs_fs.h.

export const BLOCK_BITS = 12;
export const BLOCK_SIZE = 1 << BLOCK_BITS;
/** Inodes begin at multiples of this; a nid counts them. */
export const SLOT_SIZE = 32;

export const COMPACT_INODE_SIZE = 32;
export const EXTENDED_INODE_SIZE = 64;
export const DIRENT_SIZE = 12;

/** Content in blocks of its own. */
export const LAYOUT_PLAIN = 0;
/** Whole blocks in blocks of their own, the rest behind the inode. */
export const LAYOUT_INLINE = 2;

export const MAX_NAME_LENGTH = 255;
/** PATH_MAX without the NUL at its end. */
export const MAX_TARGET_LENGTH = 4095;
/** Block addresses have 32 bits, and all ones stand for "none". */
export const MAX_BLOCKS = 0xffff_ffff;

export function blocksFor(bytes: number): number {
  return Math.ceil(bytes / BLOCK_SIZE);
}
