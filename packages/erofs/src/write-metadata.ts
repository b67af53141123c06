import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { ErofsError, ioError } from './erofs-error.ts';
import type { ErofsImage } from './erofs-writer.ts';
import type { FileData } from './file-data.ts';
import { BLOCK_SIZE, blocksFor, MAX_BLOCKS, SLOT_SIZE } from './format.ts';
import type { Inode } from './inode.ts';
import { InodePlacement, OPEN_BLOCKS } from './inode-placement.ts';
import { buildInodeTable } from './inode-table.ts';
import type { DirectoryNode } from './node.ts';
import type { PositionedWriter } from './positioned-writer.ts';
import { encodeSuperblock, formatUuid } from './superblock.ts';
import { TailReader } from './tail-reader.ts';

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

/** Bytes copied at once when a content has to move. */
const COPY_SIZE = 1 << 18;

/**
 * Writes everything that the tree decides, behind the contents: inodes with what follows them in their blocks, then
 * blocks of directories, then shared extended attributes; and the superblock.
 */
export async function writeMetadata(options: MetadataOptions): Promise<ErofsImage> {
  const { inodes, xattrs } = buildInodeTable(options.root, options.owner);
  const time = mostCommonTime(inodes);
  for (const inode of inodes) inode.chooseForm(time);
  const ordered = inOrderOfTails(inodes);
  const placement = new InodePlacement();
  for (const inode of ordered) {
    inode.tryInline(restOf(inode));
    inode.nid = placement.place(inode.headSize + inode.inlineSize);
  }
  const contentBlock = options.firstBlock + placement.blocks;
  const xattrBlock = contentBlock + placeContents(ordered, contentBlock);
  const blocks = xattrBlock + blocksFor(xattrs.sharedSize);
  if (blocks > MAX_BLOCKS) throw new ErofsError('IMAGE_TOO_LARGE', 'the image would be larger than 16 TiB');

  const output = new Output(options, options.firstBlock);
  await writeInodes(ordered, output, new TailReader(options.tailsHandle));
  for (const inode of ordered) if (inode.firstBlock >= contentBlock) await writeContent(inode, output, options);
  if (xattrs.sharedSize > 0) {
    for (const bytes of xattrs.encodeShared()) await output.write(bytes);
    await output.pad();
  }

  const uuid = options.uuid ?? output.uuid(inodes);
  const superblock = encodeSuperblock({
    rootNid: inodes[0]?.nid ?? 0,
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
  }

  /** Fills the block up. */
  async pad(): Promise<void> {
    const used = this.#position % BLOCK_SIZE;
    if (used > 0) await this.write(new Uint8Array(BLOCK_SIZE - used));
  }

  /** Made of everything written here and the sums of all contents; to be called once, at the end. */
  uuid(inodes: readonly Inode[]): Uint8Array {
    const sums = Buffer.alloc(inodes.length * 4);
    for (const [index, { node }] of inodes.entries()) {
      if (node.type === 'file') sums.writeUInt32LE(node.data?.crc ?? 0, index * 4);
    }
    const uuid = Buffer.from(this.#hash?.update(sums).digest().subarray(0, 16) ?? []);
    // Version 8: made in a way of one's own; the variant of RFC 9562.
    uuid.writeUInt8((uuid.readUInt8(6) & 0x0f) | 0x80, 6);
    uuid.writeUInt8((uuid.readUInt8(8) & 0x3f) | 0x80, 8);
    return uuid;
  }
}

/** The time that most inodes have, and that those need not spell out. */
function mostCommonTime(inodes: readonly Inode[]): { seconds: number; nanoseconds: number } {
  const counts = new Map<string, number>();
  let most = 0;
  let common = { seconds: 0, nanoseconds: 0 };
  for (const { node } of inodes) {
    const nanoseconds = node.mtimeNanoseconds ?? 0;
    const key = `${node.mtime}.${nanoseconds}`;
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    if (count > most) {
      most = count;
      common = { seconds: node.mtime, nanoseconds };
    }
  }
  return common;
}

/** Root first; then so that tails are read in a row, and neighbours in the tree stay neighbours where possible. */
function inOrderOfTails(inodes: readonly Inode[]): readonly Inode[] {
  let last = -1;
  const keys = inodes.map(({ node }, index) => {
    if (index > 0 && node.type === 'file' && node.data !== undefined) last = node.data.tailOffset;
    return last;
  });
  const order = inodes.map((_, index) => index).sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0));
  return order.map((index) => inodes[index] as Inode);
}

/** Bytes of the content behind its whole blocks, to be put behind the inode. */
function restOf(inode: Inode): number {
  return inode.node.type === 'file' ? (inode.node.data?.tailLength ?? 0) : inode.size % BLOCK_SIZE;
}

/** The content that is in the image and can stay where it is. */
function contentInPlace(inode: Inode): FileData | undefined {
  if (inode.node.type !== 'file' || inode.inlineSize !== restOf(inode)) return undefined;
  return inode.node.data;
}

/** Places what is not in the image yet, from `firstBlock` on. Returns how many blocks that are. */
function placeContents(inodes: readonly Inode[], firstBlock: number): number {
  let next = firstBlock;
  for (const inode of inodes) {
    const data = contentInPlace(inode);
    if (data !== undefined) {
      inode.firstBlock = data.block;
    } else if (inode.blocks > 0) {
      inode.firstBlock = next;
      next += inode.blocks;
    }
  }
  return next - firstBlock;
}

async function writeInodes(inodes: readonly Inode[], output: Output, tails: TailReader): Promise<void> {
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
  for (const inode of inodes) {
    const position = inode.nid * SLOT_SIZE;
    const offset = position % BLOCK_SIZE;
    const block = (position - offset) / BLOCK_SIZE;
    const count = blocksFor(offset + inode.headSize + inode.inlineSize);
    let target = open.get(block);
    if (target === undefined) {
      target = (count === 1 ? spare.pop()?.fill(0) : undefined) ?? Buffer.alloc(count * BLOCK_SIZE);
      for (let index = 0; index < count; index++) {
        open.set(block + index, target.subarray(index * BLOCK_SIZE, (index + 1) * BLOCK_SIZE));
      }
    }
    inode.encodeHead(target, offset);
    if (inode.inlineSize > 0) await encodeRest(inode, target, offset + inode.headSize, tails);
    end = Math.max(end, block + count);
    if (written < end - OPEN_BLOCKS) await writeUpTo(end - OPEN_BLOCKS);
  }
  await writeUpTo(end);
}

async function encodeRest(inode: Inode, target: Buffer, offset: number, tails: TailReader): Promise<void> {
  const { node, directory } = inode;
  if (node.type === 'symlink') target.write(node.target, offset, 'latin1');
  directory?.encodeBlock(inode.blocks, target, offset);
  if (node.type === 'file' && node.data !== undefined) {
    const loading = tails.load(node.data.tailOffset, node.data.tailLength);
    if (loading !== undefined) await loading;
    tails.copy(node.data.tailOffset, node.data.tailLength, target, offset);
  }
}

/** Writes the blocks of a content that is not in the image yet. */
async function writeContent(inode: Inode, output: Output, options: MetadataOptions): Promise<void> {
  const { node, directory } = inode;
  if (node.type === 'symlink') {
    await output.write(Buffer.from(node.target, 'latin1'));
  } else if (directory !== undefined) {
    for (let index = 0; index < inode.blocks; index++) {
      const block = Buffer.alloc(BLOCK_SIZE);
      directory.encodeBlock(index, block, 0);
      await output.write(block);
    }
  } else if (node.type === 'file' && node.data !== undefined) {
    // Its extended attributes are so large that they leave no room for its rest.
    const { block, blocks, tailOffset, tailLength } = node.data;
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
