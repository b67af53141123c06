import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { DirectoryBlocks } from './directory-blocks.ts';
import { encodeInode } from './encode-inode.ts';
import { ErofsError, ioError } from './erofs-error.ts';
import type { ErofsImage } from './erofs-writer.ts';
import { Pacer } from './event-loop.ts';
import { FileData } from './file-data.ts';
import { BLOCK_SIZE, blocksFor, MAX_BLOCKS, SLOT_SIZE } from './format.ts';
import { InodePlacement, OPEN_BLOCKS } from './inode-placement.ts';
import type { CommonTime, InodeTable } from './inode-table.ts';
import type { DirectoryNode } from './node.ts';
import type { PositionedWriter } from './positioned-writer.ts';
import { encodeSuperblock, formatUuid } from './superblock.ts';
import { TailReader } from './tail-reader.ts';
import { walkTree } from './walk-tree.ts';

export interface MetadataOptions {
  root: DirectoryNode;
  /** The writer whose contents may be used. */
  owner: object;
  image: PositionedWriter;
  imageHandle: FileHandle;
  tailsHandle: FileHandle;
  /** Behind all contents. */
  firstBlock: number;
  /** Default: derived from the content. */
  uuid: Uint8Array | undefined;
  label: string;
  /** Throws when the image has failed meanwhile. */
  check(): void;
}

/** Blocks written between two turns of the event loop. */
const WRITES = 256;
/** Bytes copied at once when a content has to move. */
const COPY_SIZE = 1 << 18;

/**
 * Writes everything that the tree decides, behind the contents: inodes with what follows them in their blocks, then
 * blocks of directories, then shared extended attributes; and the superblock.
 */
export async function writeMetadata(options: MetadataOptions): Promise<ErofsImage> {
  const inodes = await walkTree(options.root, options.owner, options.check);
  const time = inodes.mostCommonTime();
  const order = inOrderOfTails(inodes);
  const placement = new InodePlacement();
  const pacer = new Pacer();
  for (const index of order) {
    const pause = pacer.step();
    if (pause !== undefined) await pause;
    inodes.measureHead(index, time);
    inodes.layOutRest(index);
    inodes.setNid(index, placement.place(inodes.headSize(index) + inodes.inlineSize(index)));
  }
  const { xattrs } = inodes;
  const contentBlock = options.firstBlock + placement.blocks;
  const xattrBlock = contentBlock + placeContents(inodes, order, contentBlock);
  const blocks = xattrBlock + blocksFor(xattrs.sharedSize);
  if (blocks > MAX_BLOCKS) throw new ErofsError('IMAGE_TOO_LARGE', 'the image would be larger than 16 TiB');

  const output = new Output(options, options.firstBlock);
  await writeInodes(inodes, order, time, output, new TailReader(options.tailsHandle));
  for (const index of order) {
    if (inodes.firstBlock(index) >= contentBlock) await writeContent(inodes, index, output, options);
  }
  if (xattrs.sharedSize > 0) {
    for (const bytes of xattrs.encodeShared()) await output.write(bytes);
    await output.pad();
  }

  const uuid = options.uuid ?? output.uuid(inodes);
  const superblock = encodeSuperblock({
    rootNid: inodes.nid(0),
    inodes: inodes.length,
    ...time,
    blocks,
    metaBlock: options.firstBlock,
    xattrBlock: xattrs.sharedSize > 0 ? xattrBlock : 0,
    uuid,
    label: options.label,
  });
  options.image.write(0, superblock);
  await options.image.flush();
  options.check();
  return { bytes: blocks * BLOCK_SIZE, inodes: inodes.length, uuid: formatUuid(uuid) };
}

/** Blocks in a row, summed up on the way. */
class Output {
  readonly #image: PositionedWriter;
  readonly #check: () => void;
  readonly #hash: Hash | undefined;
  readonly #pacer = new Pacer(WRITES);
  #position: number;

  constructor({ image, check, uuid }: MetadataOptions, firstBlock: number) {
    this.#image = image;
    this.#check = check;
    this.#hash = uuid === undefined ? createHash('sha256') : undefined;
    this.#position = firstBlock * BLOCK_SIZE;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#check();
    this.#hash?.update(bytes);
    this.#image.write(this.#position, bytes);
    this.#position += bytes.length;
    await this.#image.pressure;
    await this.#pacer.step();
  }

  /** Fills the block up. */
  async pad(): Promise<void> {
    const used = this.#position % BLOCK_SIZE;
    if (used > 0) await this.write(new Uint8Array(BLOCK_SIZE - used));
  }

  /** Made of everything written here and the sums of all contents; to be called once, at the end. */
  uuid(inodes: InodeTable): Uint8Array {
    const sums = Buffer.alloc(inodes.length * 4);
    for (let index = 0; index < inodes.length; index++) {
      const content = inodes.content(index);
      if (content instanceof FileData) sums.writeInt32LE(content.crc, index * 4);
    }
    const uuid = Buffer.from(this.#hash?.update(sums).digest().subarray(0, 16) ?? []);
    // Version 8: made in a way of one's own; the variant of RFC 9562.
    uuid.writeUInt8((uuid.readUInt8(6) & 0x0f) | 0x80, 6);
    uuid.writeUInt8((uuid.readUInt8(8) & 0x3f) | 0x80, 8);
    return uuid;
  }
}

/** Root first; then so that tails are read in a row, and neighbours in the tree stay neighbours where possible. */
function inOrderOfTails(inodes: InodeTable): Uint32Array {
  const keys = new Float64Array(inodes.length);
  let last = 0;
  for (let index = 0; index < keys.length; index++) {
    const content = inodes.content(index);
    if (content instanceof FileData) last = content.ordinal;
    keys[index] = last * keys.length + index;
  }
  // Numbers alone are sorted natively, without a call for each comparison.
  return Uint32Array.from(keys.sort(), (key) => key % keys.length);
}

/** The content that is in the image and can stay where it is. */
function contentInPlace(inodes: InodeTable, index: number): FileData | undefined {
  const content = inodes.content(index);
  return content instanceof FileData && inodes.inlineSize(index) === content.tailLength ? content : undefined;
}

/** Places what is not in the image yet, from `firstBlock` on. Returns how many blocks that are. */
function placeContents(inodes: InodeTable, order: Uint32Array, firstBlock: number): number {
  let next = firstBlock;
  for (const index of order) {
    const data = contentInPlace(inodes, index);
    const blocks = inodes.blocks(index);
    if (data !== undefined) {
      inodes.setFirstBlock(index, data.block);
    } else if (blocks > 0) {
      inodes.setFirstBlock(index, next);
      next += blocks;
    }
  }
  return next - firstBlock;
}

async function writeInodes(
  inodes: InodeTable,
  order: Uint32Array,
  time: CommonTime,
  output: Output,
  tails: TailReader,
): Promise<void> {
  const open = new Map<number, Buffer>();
  const spare: Buffer[] = [];
  let written = 0;
  let end = 0;
  const writeUpTo = async (limit: number): Promise<void> => {
    for (; written < limit; written++) {
      const block = open.get(written) ?? Buffer.alloc(BLOCK_SIZE);
      await output.write(block);
      open.delete(written);
      if (spare.length < OPEN_BLOCKS) spare.push(block);
    }
  };
  for (const index of order) {
    const position = inodes.nid(index) * SLOT_SIZE;
    const offset = position % BLOCK_SIZE;
    const block = (position - offset) / BLOCK_SIZE;
    const headSize = inodes.headSize(index);
    const inlineSize = inodes.inlineSize(index);
    const count = blocksFor(offset + headSize + inlineSize);
    let target = open.get(block);
    if (target === undefined) {
      target = (count === 1 ? spare.pop()?.fill(0) : undefined) ?? Buffer.alloc(count * BLOCK_SIZE);
      for (let part = 0; part < count; part++) {
        open.set(block + part, target.subarray(part * BLOCK_SIZE, (part + 1) * BLOCK_SIZE));
      }
    }
    encodeInode(inodes, index, time, target, offset);
    if (inlineSize > 0) {
      const pause = encodeRest(inodes, index, target, offset + headSize, tails);
      if (pause !== undefined) await pause;
    }
    end = Math.max(end, block + count);
    if (written < end - OPEN_BLOCKS) await writeUpTo(end - OPEN_BLOCKS);
  }
  await writeUpTo(end);
}

function encodeRest(
  inodes: InodeTable,
  index: number,
  target: Buffer,
  offset: number,
  tails: TailReader,
): Promise<void> | undefined {
  const content = inodes.content(index);
  if (typeof content === 'string') target.write(content, offset, 'latin1');
  if (content instanceof DirectoryBlocks) content.encodeBlock(inodes.blocks(index), target, offset, inodes.nid);
  if (!(content instanceof FileData)) return undefined;
  const { tailOffset, tailLength } = content;
  const copyTail = () => tails.copy(tailOffset, tailLength, target, offset);
  const loading = tails.load(tailOffset, tailLength);
  if (loading !== undefined) return loading.then(copyTail);
  copyTail();
  return undefined;
}

/** Writes the blocks of a content that is not in the image yet. */
async function writeContent(
  inodes: InodeTable,
  index: number,
  output: Output,
  options: MetadataOptions,
): Promise<void> {
  const content = inodes.content(index);
  if (typeof content === 'string') {
    await output.write(Buffer.from(content, 'latin1'));
  } else if (content instanceof DirectoryBlocks) {
    const blocks = inodes.blocks(index);
    for (let number = 0; number < blocks; number++) {
      const block = Buffer.alloc(BLOCK_SIZE);
      content.encodeBlock(number, block, 0, inodes.nid);
      await output.write(block);
    }
  } else if (content instanceof FileData) {
    // Its extended attributes are so large that they leave no room for its rest.
    const { block, blocks, tailOffset, tailLength } = content;
    await copy(options.imageHandle, block * BLOCK_SIZE, blocks * BLOCK_SIZE, output);
    await copy(options.tailsHandle, tailOffset, tailLength, output);
  }
  await output.pad();
}

async function copy(handle: FileHandle, from: number, length: number, output: Output): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(length, COPY_SIZE));
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle
      .read(buffer, 0, Math.min(buffer.length, length - done), from + done)
      .catch((error: unknown) => Promise.reject(ioError('could not read a content again', error)));
    if (bytesRead === 0) throw new ErofsError('IO', 'the image became shorter');
    await output.write(buffer.subarray(0, bytesRead));
    done += bytesRead;
  }
}
