import { open } from 'node:fs/promises';
import { crc32c } from './crc32c.ts';
import { BLOCK_SIZE } from './format.ts';
import { MAGIC, SUPERBLOCK_OFFSET } from './superblock.ts';

/**
 * Looks whether a file is an EROFS image of this package's making and whole: superblock, its checksum, and the length
 * that it tells. Contents have no checksums in EROFS, so damage within them is not seen.
 *
 * @returns What is wrong; undefined if nothing is.
 * @throws Errors of the system, such as `ENOENT`, as they are.
 */
export async function imageFault(path: string): Promise<string | undefined> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const block = Buffer.alloc(BLOCK_SIZE);
  const { bytesRead } = await file.read(block, 0, BLOCK_SIZE, 0);
  const fields = block.subarray(SUPERBLOCK_OFFSET);
  if (bytesRead < BLOCK_SIZE || fields.readUInt32LE(0) !== MAGIC) return 'it is no EROFS image';
  const checksum = fields.readUInt32LE(4);
  fields.writeUInt32LE(0, 4);
  if (crc32c(fields) !== checksum) return 'its superblock is damaged';
  const expected = fields.readUInt32LE(36) * BLOCK_SIZE;
  return size === expected ? undefined : `it has ${size} bytes instead of ${expected}`;
}
