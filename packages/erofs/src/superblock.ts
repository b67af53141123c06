import { crc32c } from './crc32c.ts';
import { ErofsError } from './erofs-error.ts';
import { BLOCK_BITS, BLOCK_SIZE } from './format.ts';

export const SUPERBLOCK_OFFSET = 1024;
export const MAGIC = 0xe0f5_e1e2;
/** The superblock has a checksum; times of inodes are those of the last change of the content. */
const FEATURES = 0x1 | 0x2;
/** The kernel wants a NUL behind the name. */
const MAX_LABEL_LENGTH = 15;

export interface Superblock {
  rootNid: number;
  inodes: number;
  /** Time of all compact inodes. */
  seconds: number;
  nanoseconds: number;
  /** Size of the file system. */
  blocks: number;
  metaBlock: number;
  xattrBlock: number;
  uuid: Uint8Array;
  label: string;
}

/** The first block of an image. */
export function encodeSuperblock(superblock: Superblock): Buffer {
  const block = Buffer.alloc(BLOCK_SIZE);
  const fields = block.subarray(SUPERBLOCK_OFFSET);
  fields.writeUInt32LE(MAGIC, 0);
  fields.writeUInt32LE(FEATURES, 8);
  fields.writeUInt8(BLOCK_BITS, 12);
  fields.writeUInt16LE(superblock.rootNid, 14);
  fields.writeBigUInt64LE(BigInt(superblock.inodes), 16);
  fields.writeBigInt64LE(BigInt(superblock.seconds), 24);
  fields.writeUInt32LE(superblock.nanoseconds, 32);
  fields.writeUInt32LE(superblock.blocks, 36);
  fields.writeUInt32LE(superblock.metaBlock, 40);
  fields.writeUInt32LE(superblock.xattrBlock, 44);
  fields.set(superblock.uuid, 48);
  fields.write(superblock.label, 64, 'utf8');
  // Over the rest of the block, with zeros in the place of the sum.
  fields.writeUInt32LE(crc32c(fields), 4);
  return block;
}

export function checkLabel(label: string): void {
  if (Buffer.byteLength(label) > MAX_LABEL_LENGTH || label.includes('\0')) {
    throw new ErofsError('INVALID_OPTION', `a label has at most ${MAX_LABEL_LENGTH} bytes and no NUL`);
  }
}

export function parseUuid(uuid: string): Uint8Array {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(uuid)) {
    throw new ErofsError('INVALID_OPTION', 'a UUID has the form 01234567-89ab-cdef-0123-456789abcdef');
  }
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

export function formatUuid(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
