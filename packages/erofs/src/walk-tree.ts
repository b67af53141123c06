import { isByteString } from './byte-string.ts';
import { DirectoryDraft } from './directory-blocks.ts';
import { ErofsError, type ErofsErrorCode } from './erofs-error.ts';
import { Pacer } from './event-loop.ts';
import { MAX_NAME_LENGTH, MAX_TARGET_LENGTH } from './format.ts';
import { type InodeContent, InodeTable } from './inode-table.ts';
import type { DirectoryNode, ErofsNode } from './node.ts';

/** One more stands for nobody at all in the kernel. */
const MAX_ID = 0xffff_fffe;

interface Level {
  index: number;
  pending: Iterator<readonly [name: string, node: ErofsNode]>;
  draft: DirectoryDraft;
}

type Fail = (code: ErofsErrorCode, message: string) => never;

/**
 * Walks the tree once, checking everything in it, and keeps none of its nodes. `owner` is whose contents may be used;
 * `check` throws when the walk is to end early.
 */
export async function walkTree(root: DirectoryNode, owner: object, check: () => void): Promise<InodeTable> {
  const inodes = new InodeTable();
  const pacer = new Pacer();
  // A node that the caller has let go of cannot come again, so it need not be remembered.
  const known = new WeakMap<ErofsNode, number>();

  const add = (node: ErofsNode, parent: number, name: string | undefined, content: InodeContent): number => {
    const fail: Fail = (code, message) => inodes.fail(code, message, parent, name);
    checkAttributes(node, fail);
    checkContent(node, owner, fail);
    const attributes = inodes.xattrs.add(node.xattrs ?? [], (fault) => fail('INVALID_XATTR', fault));
    const index = inodes.add(node, parent, content, attributes);
    known.set(node, index);
    return index;
  };

  const open = (node: DirectoryNode, parent: number, name?: string): Level => {
    const draft = new DirectoryDraft();
    const index = add(node, parent, name, draft);
    inodes.addLink(index);
    draft.add('.', index);
    draft.add('..', parent);
    return { index, pending: node.entries[Symbol.iterator](), draft };
  };

  if (root.type !== 'directory') throw new ErofsError('INVALID_NODE', 'the root must be a directory', { entry: '"/"' });
  // A stack of its own: nothing limits the depth of a tree from outside.
  const levels = [open(root, 0)];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const pause = pacer.step();
    if (pause !== undefined) {
      await pause;
      check();
    }
    const next = level.pending.next();
    if (next.done === true) {
      inodes.closeDirectory(level.index, level.draft);
      levels.pop();
      continue;
    }
    const [name, node] = next.value;
    const fault = faultOfName(name);
    if (fault !== undefined) inodes.fail('INVALID_NAME', fault, level.index, name);
    let index = known.get(node);
    if (index === undefined) {
      if (node.type === 'directory') {
        const below = open(node, level.index, name);
        index = below.index;
        inodes.addLink(level.index);
        levels.push(below);
      } else {
        index = add(node, level.index, name, contentOf(node));
      }
    } else if (node.type === 'directory') {
      inodes.fail('DIRECTORY_LOOP', `this directory is ${inodes.pathOf(index)} already`, level.index, name);
    } else {
      inodes.addLink(index);
    }
    level.draft.add(name, index);
  }
  inodes.xattrs.layOut();
  return inodes;
}

function contentOf(node: ErofsNode): InodeContent {
  if (node.type === 'file') return node.data;
  return node.type === 'symlink' ? node.target : undefined;
}

function faultOfName(name: string): string | undefined {
  if (name === '') return 'a name must not be empty';
  if (name === '.' || name === '..') return `${name} is there by itself`;
  if (name.length > MAX_NAME_LENGTH) return `a name has at most ${MAX_NAME_LENGTH} bytes, not ${name.length}`;
  if (name.includes('/') || name.includes('\0')) return 'a name has no "/" and no NUL';
  if (!isByteString(name)) return 'every character of a name is one byte: use byteString()';
  return undefined;
}

function checkAttributes({ mode, uid, gid, mtime, mtimeNanoseconds }: ErofsNode, fail: Fail): void {
  checkRange('mode', mode, 0, 0o7777, fail);
  checkRange('uid', uid, 0, MAX_ID, fail);
  checkRange('gid', gid, 0, MAX_ID, fail);
  checkRange('mtime', mtime, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, fail);
  checkRange('mtimeNanoseconds', mtimeNanoseconds ?? 0, 0, 999_999_999, fail);
}

function checkContent(node: ErofsNode, owner: object, fail: Fail): void {
  switch (node.type) {
    case 'file':
      if (node.data?.isUsableBy(owner) === false) {
        fail('INVALID_DATA', 'its content was discarded, or comes from another writer');
      }
      return;
    case 'symlink':
      if (node.target.length === 0 || node.target.length > MAX_TARGET_LENGTH) {
        fail('INVALID_TARGET', `a link's target has 1 to ${MAX_TARGET_LENGTH} bytes, not ${node.target.length}`);
      }
      if (node.target.includes('\0') || !isByteString(node.target)) {
        fail('INVALID_TARGET', "a link's target has no NUL, and every character is one byte: use byteString()");
      }
      return;
    case 'character-device':
    case 'block-device':
      checkRange('major', node.major, 0, 0xfff, fail);
      checkRange('minor', node.minor, 0, 0xf_ffff, fail);
      return;
    case 'directory':
    case 'fifo':
    case 'socket':
      return;
    default:
      fail('INVALID_NODE', 'its type is not one that EROFS has');
  }
}

function checkRange(field: string, value: number, min: number, max: number, fail: Fail): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  fail('OUT_OF_RANGE', `${field} is ${value}, not a whole number from ${min} to ${max}`);
}
