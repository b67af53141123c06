import { isByteString } from './byte-string.ts';
import { DirectoryBlocks, type DirectoryEntry } from './directory-blocks.ts';
import { ErofsError } from './erofs-error.ts';
import { MAX_NAME_LENGTH, MAX_TARGET_LENGTH } from './format.ts';
import { Inode, pathOf } from './inode.ts';
import type { DirectoryNode, ErofsNode } from './node.ts';
import { XattrTable } from './xattrs.ts';

/** One more stands for nobody at all in the kernel. */
const MAX_ID = 0xffff_fffe;

/** All inodes of an image, the root first, the others in the order in which the tree has them. */
export interface InodeTable {
  inodes: readonly Inode[];
  xattrs: XattrTable;
}

interface Level {
  inode: Inode;
  pending: Iterator<readonly [name: string, node: ErofsNode]>;
  entries: DirectoryEntry[];
  names: Set<string>;
}

/** Walks the tree once, checking everything in it. `owner` is whose contents may be used. */
export function buildInodeTable(root: DirectoryNode, owner: object): InodeTable {
  const xattrs = new XattrTable();
  const inodes: Inode[] = [];
  const known = new Map<ErofsNode, Inode>();

  const add = (node: ErofsNode, parent: Inode | undefined, name: string): Inode => {
    const inode = new Inode(node, parent, name, inodes.length + 1);
    checkAttributes(inode);
    checkContent(inode, owner);
    if (node.xattrs !== undefined) {
      inode.attributes = xattrs.add(node.xattrs, (fault) => inode.fail('INVALID_XATTR', fault));
    }
    inodes.push(inode);
    known.set(node, inode);
    return inode;
  };

  const open = (inode: Inode, node: DirectoryNode): Level => {
    inode.links = 2;
    const entries = [
      { name: '.', inode },
      { name: '..', inode: inode.parent },
    ];
    return { inode, pending: node.entries[Symbol.iterator](), entries, names: new Set() };
  };

  if (root.type !== 'directory') throw new ErofsError('INVALID_NODE', 'the root must be a directory', { entry: '"/"' });
  const first = add(root, undefined, '');
  // A stack of its own: nothing limits the depth of a tree from outside.
  const levels = [open(first, root)];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const next = level.pending.next();
    if (next.done === true) {
      level.inode.directory = new DirectoryBlocks(level.entries);
      levels.pop();
      continue;
    }
    const [name, node] = next.value;
    checkName(level, name);
    let inode = known.get(node);
    if (inode === undefined) {
      inode = add(node, level.inode, name);
      if (node.type === 'directory') {
        level.inode.links += 1;
        levels.push(open(inode, node));
      }
    } else if (node.type === 'directory') {
      throw new ErofsError('DIRECTORY_LOOP', `this directory is ${inode.path} already`, {
        entry: pathOf(level.inode, name),
      });
    } else {
      inode.links += 1;
    }
    level.entries.push({ name, inode });
  }
  xattrs.layOut();
  return { inodes, xattrs };
}

function checkName(level: Level, name: string): void {
  const fault = faultOfName(name);
  if (fault !== undefined) throw new ErofsError('INVALID_NAME', fault, { entry: pathOf(level.inode, name) });
  if (level.names.has(name)) {
    throw new ErofsError('DUPLICATE_NAME', 'another entry has this name', { entry: pathOf(level.inode, name) });
  }
  level.names.add(name);
}

function faultOfName(name: string): string | undefined {
  if (name === '') return 'a name must not be empty';
  if (name === '.' || name === '..') return `${name} is there by itself`;
  if (name.length > MAX_NAME_LENGTH) return `a name has at most ${MAX_NAME_LENGTH} bytes, not ${name.length}`;
  if (name.includes('/') || name.includes('\0')) return 'a name has no "/" and no NUL';
  if (!isByteString(name)) return 'every character of a name is one byte: use byteString()';
  return undefined;
}

function checkAttributes(inode: Inode): void {
  const { mode, uid, gid, mtime, mtimeNanoseconds } = inode.node;
  checkRange(inode, 'mode', mode, 0, 0o7777);
  checkRange(inode, 'uid', uid, 0, MAX_ID);
  checkRange(inode, 'gid', gid, 0, MAX_ID);
  checkRange(inode, 'mtime', mtime, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  checkRange(inode, 'mtimeNanoseconds', mtimeNanoseconds ?? 0, 0, 999_999_999);
}

function checkContent(inode: Inode, owner: object): void {
  const { node } = inode;
  switch (node.type) {
    case 'file':
      if (node.data?.isUsableBy(owner) === false) {
        inode.fail('INVALID_DATA', 'its content was discarded, or comes from another writer');
      }
      return;
    case 'symlink':
      if (node.target.length === 0 || node.target.length > MAX_TARGET_LENGTH) {
        inode.fail('INVALID_TARGET', `a link's target has 1 to ${MAX_TARGET_LENGTH} bytes, not ${node.target.length}`);
      }
      if (node.target.includes('\0') || !isByteString(node.target)) {
        inode.fail('INVALID_TARGET', "a link's target has no NUL, and every character is one byte: use byteString()");
      }
      return;
    case 'character-device':
    case 'block-device':
      checkRange(inode, 'major', node.major, 0, 0xfff);
      checkRange(inode, 'minor', node.minor, 0, 0xf_ffff);
      return;
    case 'directory':
    case 'fifo':
    case 'socket':
      return;
    default:
      inode.fail('INVALID_NODE', 'its type is not one that EROFS has');
  }
}

function checkRange(inode: Inode, field: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  inode.fail('OUT_OF_RANGE', `${field} is ${value}, not a whole number from ${min} to ${max}`);
}
