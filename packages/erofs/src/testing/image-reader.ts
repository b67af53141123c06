// A reader of EROFS images for tests, written from the format's description and not from the writer: its numbers are
// its own.

import { readFileSync } from 'node:fs';
import type { Listed } from './tree.ts';

const TYPES: Record<number, string> = {
  8: 'file',
  4: 'directory',
  10: 'symlink',
  2: 'character-device',
  6: 'block-device',
  1: 'fifo',
  12: 'socket',
};
const DIRENT_TYPES = ['', 'file', 'directory', 'character-device', 'block-device', 'fifo', 'socket', 'symlink'];
const XATTR_PREFIXES: Record<number, string> = {
  1: 'user.',
  2: 'system.posix_acl_access',
  3: 'system.posix_acl_default',
  4: 'trusted.',
  6: 'security.',
};

export interface ReadInode {
  nid: number;
  type: string;
  mode: number;
  links: number;
  uid: number;
  gid: number;
  size: number;
  mtime: bigint;
  nanoseconds: number;
  extended: boolean;
  inline: boolean;
  /** Block address or device number. */
  place: number;
  xattrs: Map<string, Buffer>;
  data: Buffer;
}

/** An image in memory. */
export class ImageReader {
  readonly bytes: Buffer;
  readonly #metaBlock: number;
  readonly #xattrBlock: number;

  constructor(path: string) {
    this.bytes = readFileSync(path);
    if (this.bytes.readUInt32LE(1024) !== 0xe0f5e1e2) throw new Error('no EROFS image');
    if (this.bytes.readUInt32LE(1024 + 36) * 4096 !== this.bytes.length) throw new Error('wrong count of blocks');
    this.#metaBlock = this.bytes.readUInt32LE(1024 + 40);
    this.#xattrBlock = this.bytes.readUInt32LE(1024 + 44);
  }

  get root(): ReadInode {
    return this.inode(this.bytes.readUInt16LE(1024 + 14));
  }

  inode(nid: number): ReadInode {
    const at = this.#metaBlock * 4096 + nid * 32;
    const b = this.bytes;
    const format = b.readUInt16LE(at);
    const extended = (format & 1) === 1;
    const layout = format >> 1;
    if (layout !== 0 && layout !== 2) throw new Error(`unknown layout ${layout} of nid ${nid}`);
    const xattrCount = b.readUInt16LE(at + 2);
    const modeBits = b.readUInt16LE(at + 4);
    const size = extended ? Number(b.readBigUInt64LE(at + 8)) : b.readUInt32LE(at + 8);
    const place = b.readUInt32LE(at + 16);
    const behind = at + (extended ? 64 : 32);
    const xattrSize = xattrCount === 0 ? 0 : 12 + 4 * (xattrCount - 1);
    const type = TYPES[modeBits >> 12] ?? `unknown ${modeBits >> 12}`;
    const inline = layout === 2;
    let data = Buffer.alloc(0);
    if (['file', 'directory', 'symlink'].includes(type)) {
      const rest = inline ? size % 4096 : 0;
      const restAt = behind + xattrSize;
      if (inline && (rest === 0 || Math.floor(restAt / 4096) !== Math.floor((restAt + rest - 1) / 4096))) {
        throw new Error(`the rest of nid ${nid} is not within one block`);
      }
      data = Buffer.concat([b.subarray(place * 4096, place * 4096 + size - rest), b.subarray(restAt, restAt + rest)]);
      if (data.length !== size) throw new Error(`the data of nid ${nid} is outside of the image`);
    }
    return {
      nid,
      type,
      mode: modeBits & 0o7777,
      links: extended ? b.readUInt32LE(at + 44) : b.readUInt16LE(at + 6),
      uid: extended ? b.readUInt32LE(at + 24) : b.readUInt16LE(at + 24),
      gid: extended ? b.readUInt32LE(at + 28) : b.readUInt16LE(at + 26),
      size,
      mtime: extended ? b.readBigInt64LE(at + 32) : b.readBigInt64LE(1024 + 24),
      nanoseconds: extended ? b.readUInt32LE(at + 40) : b.readUInt32LE(1024 + 32),
      extended,
      inline,
      place,
      xattrs: this.#xattrs(behind, xattrSize),
      data,
    };
  }

  /** Entries in the order of the image, `.` and `..` among them. */
  entries(inode: ReadInode): { name: string; nid: number; type: string }[] {
    const entries = [];
    for (let start = 0; start < inode.data.length; start += 4096) {
      const block = inode.data.subarray(start, start + 4096);
      const count = block.readUInt16LE(8) / 12;
      for (let index = 0; index < count; index++) {
        const from = block.readUInt16LE(index * 12 + 8);
        const next = index + 1 < count ? block.readUInt16LE(index * 12 + 20) : block.length;
        const name = block.toString('latin1', from, next);
        entries.push({
          name: index + 1 < count ? name : name.replace(/\0+$/, ''),
          nid: Number(block.readBigUInt64LE(index * 12)),
          type: DIRENT_TYPES[block.readUInt8(index * 12 + 10)] ?? 'unknown',
        });
      }
    }
    return entries;
  }

  /** Looks a name up as the kernel does: a binary search by the first name of each block, then within the block. */
  lookUp(directory: ReadInode, name: string): number | undefined {
    const blocks = Math.ceil(directory.size / 4096);
    const firstName = (index: number) => {
      const block = directory.data.subarray(index * 4096, index * 4096 + 4096);
      const from = block.readUInt16LE(8);
      return block.toString('latin1', from, from > 12 ? block.readUInt16LE(20) : block.length).replace(/\0+$/, '');
    };
    let low = 0;
    for (let high = blocks - 1; low < high; ) {
      const middle = (low + high + 1) >> 1;
      if (firstName(middle) <= name) low = middle;
      else high = middle - 1;
    }
    const data = directory.data.subarray(low * 4096, low * 4096 + 4096);
    return this.entries({ ...directory, data }).find((entry) => entry.name === name)?.nid;
  }

  /** Everything in the image by path, in a form to compare. */
  list(): Map<string, Listed> {
    const list = new Map<string, Listed>();
    const first = new Map<number, Listed>();
    const visit = (inode: ReadInode, parent: ReadInode, path: string): void => {
      const known = first.get(inode.nid);
      if (known !== undefined) {
        list.set(path, known);
        return;
      }
      const listed: Listed = {
        type: inode.type,
        mode: inode.mode.toString(8),
        owner: `${inode.uid}:${inode.gid}`,
        mtime: `${inode.mtime}.${String(inode.nanoseconds).padStart(9, '0')}`,
        links: inode.links,
        same: path,
        xattrs: Object.fromEntries([...inode.xattrs].sort().map(([name, value]) => [name, value.toString('hex')])),
        content: contentOf(inode),
      };
      first.set(inode.nid, listed);
      list.set(path, listed);
      if (inode.type !== 'directory') return;
      const entries = this.entries(inode);
      const names = entries.map(({ name }) => name);
      if (names.join('/') !== [...names].sort((a, b) => (a < b ? -1 : 1)).join('/')) throw new Error(`${path}: order`);
      for (const { name, nid, type } of entries) {
        const child = this.inode(nid);
        if (child.type !== type) throw new Error(`${path}/${name} is said to be a ${type}`);
        if (name === '.' && nid !== inode.nid) throw new Error(`${path}: wrong .`);
        if (name === '..' && nid !== parent.nid) throw new Error(`${path}: wrong ..`);
        if (name !== '.' && name !== '..') visit(child, inode, `${path}/${name}`);
      }
      if (!names.includes('.') || !names.includes('..')) throw new Error(`${path}: no . or ..`);
    };
    visit(this.root, this.root, '');
    return list;
  }

  #xattrs(at: number, size: number): Map<string, Buffer> {
    const xattrs = new Map<string, Buffer>();
    if (size === 0) return xattrs;
    const add = (entry: number): number => {
      const nameLength = this.bytes.readUInt8(entry);
      const valueLength = this.bytes.readUInt16LE(entry + 2);
      const prefix = XATTR_PREFIXES[this.bytes.readUInt8(entry + 1)];
      const name = `${prefix}${this.bytes.toString('latin1', entry + 4, entry + 4 + nameLength)}`;
      if (xattrs.has(name)) throw new Error(`${name} is there twice`);
      xattrs.set(name, this.bytes.subarray(entry + 4 + nameLength, entry + 4 + nameLength + valueLength));
      return entry + Math.ceil((4 + nameLength + valueLength) / 4) * 4;
    };
    const shared = this.bytes.readUInt8(at + 4);
    for (let index = 0; index < shared; index++) {
      add(this.#xattrBlock * 4096 + this.bytes.readUInt32LE(at + 12 + index * 4) * 4);
    }
    let entry = at + 12 + shared * 4;
    while (entry < at + size) entry = add(entry);
    if (entry !== at + size) throw new Error('extended attributes of a wrong size');
    return xattrs;
  }
}

function contentOf({ type, data, place }: ReadInode): string {
  if (type === 'file' || type === 'symlink') return data.toString('latin1');
  if (type === 'character-device' || type === 'block-device') {
    return `${(place & 0xfff00) >> 8},${(place & 0xff) | ((place >>> 12) & 0xfff00)}`;
  }
  return '';
}
