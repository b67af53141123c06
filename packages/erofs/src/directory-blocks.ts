import type { ByteString } from './byte-string.ts';
import { BLOCK_SIZE, DIRENT_SIZE } from './format.ts';
import type { ErofsNode } from './node.ts';

/** What a directory says about one of its entries. */
export interface DirectoryEntry {
  name: ByteString;
  inode: { readonly nid: number; readonly node: ErofsNode };
}

const FILE_TYPES: Record<ErofsNode['type'], number> = {
  file: 1,
  directory: 2,
  'character-device': 3,
  'block-device': 4,
  fifo: 5,
  socket: 6,
  symlink: 7,
};

/** The content of a directory: blocks that each hold a run of the sorted entries. */
export class DirectoryBlocks {
  readonly size: number;
  readonly #entries: readonly DirectoryEntry[];
  /** Index of the first entry of each block. */
  readonly #starts: readonly number[];

  /** `entries` have different names, `.` and `..` among them, and are sorted in place. */
  constructor(entries: DirectoryEntry[]) {
    // Characters are bytes, so this is the order of the bytes, by which the kernel searches.
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    const starts = [0];
    let used = 0;
    for (const [index, { name }] of entries.entries()) {
      const needed = DIRENT_SIZE + name.length;
      if (used + needed > BLOCK_SIZE) {
        starts.push(index);
        used = 0;
      }
      used += needed;
    }
    this.#entries = entries;
    this.#starts = starts;
    this.size = (starts.length - 1) * BLOCK_SIZE + used;
  }

  /** Writes one block, without padding. The nids must be known. Returns its length. */
  encodeBlock(index: number, target: Buffer, offset: number): number {
    const from = this.#starts[index] ?? 0;
    const to = this.#starts[index + 1] ?? this.#entries.length;
    let dirent = offset;
    let nameAt = (to - from) * DIRENT_SIZE;
    for (let entry = from; entry < to; entry++) {
      const { name, inode } = this.#entries[entry] as DirectoryEntry;
      dirent = target.writeUInt32LE(inode.nid % 2 ** 32, dirent);
      dirent = target.writeUInt32LE(Math.floor(inode.nid / 2 ** 32), dirent);
      dirent = target.writeUInt16LE(nameAt, dirent);
      dirent = target.writeUInt8(FILE_TYPES[inode.node.type], dirent) + 1;
      target.write(name, offset + nameAt, 'latin1');
      nameAt += name.length;
    }
    return nameAt;
  }
}
