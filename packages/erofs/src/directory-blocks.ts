import type { ByteString } from './byte-string.ts';
import { BLOCK_SIZE, DIRENT_SIZE } from './format.ts';

/** A directory whose entries are still coming. */
export class DirectoryDraft {
  readonly #names: ByteString[] = [];
  readonly #inodes: number[] = [];

  /** @param inode Index of the inode in the table. */
  add(name: ByteString, inode: number): void {
    this.#names.push(name);
    this.#inodes.push(inode);
  }

  nameOf(inode: number): ByteString | undefined {
    return this.#names[this.#inodes.indexOf(inode)];
  }

  /**
   * Sorts and encodes the entries, `.` and `..` among them.
   *
   * @param typeOf The type of an inode as directories spell it.
   * @param onDuplicate Is told a name that several entries have, and throws.
   */
  close(typeOf: (inode: number) => number, onDuplicate: (name: ByteString) => never): DirectoryBlocks {
    const names = this.#names;
    const nameAt = (index: number): ByteString => names[index] ?? '';
    const order = Uint32Array.from(names.keys());
    // Characters are bytes, so this is the order of the bytes, by which the kernel searches.
    order.sort((a, b) => (nameAt(a) < nameAt(b) ? -1 : nameAt(a) > nameAt(b) ? 1 : 0));
    const starts = [0];
    let used = 0;
    for (let place = 0; place < order.length; place++) {
      const name = nameAt(order[place] ?? 0);
      if (place > 0 && name === nameAt(order[place - 1] ?? 0)) onDuplicate(name);
      const needed = DIRENT_SIZE + name.length;
      if (used + needed > BLOCK_SIZE) {
        starts.push(place);
        used = 0;
      }
      used += needed;
    }
    const bytes = Buffer.alloc((starts.length - 1) * BLOCK_SIZE + used);
    for (const [block, from] of starts.entries()) {
      const to = starts[block + 1] ?? order.length;
      let dirent = block * BLOCK_SIZE;
      let nameOffset = (to - from) * DIRENT_SIZE;
      for (const index of order.subarray(from, to)) {
        const inode = this.#inodes[index] ?? 0;
        // Stands for the nid, which is not known yet.
        bytes.writeUInt32LE(inode, dirent);
        bytes.writeUInt16LE(nameOffset, dirent + 8);
        bytes.writeUInt8(typeOf(inode), dirent + 10);
        nameOffset += bytes.write(nameAt(index), block * BLOCK_SIZE + nameOffset, 'latin1');
        dirent += DIRENT_SIZE;
      }
    }
    return new DirectoryBlocks(bytes);
  }
}

/** The content of a directory: blocks that each hold a run of the sorted entries. Its names live in bytes alone. */
export class DirectoryBlocks {
  /** With indices of inodes in the places of nids. */
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  /** Writes one block, without padding. */
  encodeBlock(block: number, target: Buffer, offset: number, nidOf: (inode: number) => number): void {
    const length = this.#bytes.copy(target, offset, block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE);
    for (const dirent of dirents(target.subarray(offset, offset + length))) {
      const nid = nidOf(dirent.readUInt32LE(0));
      dirent.writeUInt32LE(nid % 2 ** 32, 0);
      dirent.writeUInt32LE(Math.floor(nid / 2 ** 32), 4);
    }
  }

  /** Looks for an inode's name. Only messages need it. */
  nameOf(inode: number): ByteString | undefined {
    for (let start = 0; start < this.#bytes.length; start += BLOCK_SIZE) {
      const block = this.#bytes.subarray(start, start + BLOCK_SIZE);
      const all = [...dirents(block)];
      const found = all.findIndex((dirent) => dirent.readUInt32LE(0) === inode);
      const end = all[found + 1]?.readUInt16LE(8) ?? block.length;
      if (found >= 0) return block.toString('latin1', all[found]?.readUInt16LE(8), end).replace(/\0+$/, '');
    }
    return undefined;
  }
}

/** The entries of a block. The first one's name begins where they end. */
function* dirents(block: Buffer): Generator<Buffer, void, undefined> {
  const end = block.readUInt16LE(8);
  for (let at = 0; at < end; at += DIRENT_SIZE) yield block.subarray(at, at + DIRENT_SIZE);
}
