import type { ByteString } from '../byte-string.ts';
import { ErofsWriter, type ErofsWriterOptions } from '../erofs-writer.ts';
import type { DirectoryNode, ErofsNode } from '../node.ts';

/** An entry as a test means it. The same object twice is a hard link. */
export interface Meant {
  type: ErofsNode['type'];
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  nanoseconds: number;
  xattrs: ReadonlyMap<string, Buffer>;
  content?: Buffer;
  target?: ByteString;
  device?: readonly [major: number, minor: number];
  entries?: ReadonlyMap<ByteString, Meant>;
}

export function meant(type: Meant['type'], fields: Partial<Meant> = {}): Meant {
  return { type, mode: 0o644, uid: 0, gid: 0, mtime: 1_700_000_000, nanoseconds: 0, xattrs: new Map(), ...fields };
}

export function directory(entries: Iterable<readonly [string, Meant]>, fields: Partial<Meant> = {}): Meant {
  return meant('directory', { mode: 0o755, entries: new Map(entries), ...fields });
}

export function file(content: string | Buffer, fields: Partial<Meant> = {}): Meant {
  return meant('file', { content: Buffer.from(content), ...fields });
}

/** Bytes that look random and are always the same. */
export function bytes(length: number, seed = 1): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  let state = seed | 1;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    buffer[index] = state >>> 16;
  }
  return buffer;
}

/** A value of `security.capability`: version 2, effective, CAP_NET_BIND_SERVICE. */
export const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex');

/** A value of `system.posix_acl_access`: owner and user 1000 read and write, the group reads. */
export const ACL = Buffer.from(
  ['02000000', '01000600ffffffff', '02000600e8030000', '04000400ffffffff', '10000600ffffffff', '20000000ffffffff'].join(
    '',
  ),
  'hex',
);

/** Writes an image of a tree, contents first. */
export async function writeImage(path: string, root: Meant, options: ErofsWriterOptions = {}) {
  await using writer = await ErofsWriter.create(path, { sync: false, ...options });
  return await writer.finish(addContents(writer, root));
}

/** Puts all contents into a writer. Returns the root. */
export function addContents(writer: ErofsWriter, root: Meant): DirectoryNode {
  const nodes = new Map<Meant, ErofsNode>();
  const nodeOf = (entry: Meant): ErofsNode => {
    const known = nodes.get(entry);
    if (known !== undefined) return known;
    const node = makeNode(entry);
    nodes.set(entry, node);
    return node;
  };
  const makeNode = (entry: Meant): ErofsNode => {
    const { type, mode, uid, gid, mtime, nanoseconds: mtimeNanoseconds, xattrs } = entry;
    const attributes = { mode, uid, gid, mtime, mtimeNanoseconds, xattrs };
    switch (type) {
      case 'directory':
        return { ...attributes, type, entries: Array.from(entry.entries ?? [], ([name, to]) => [name, nodeOf(to)]) };
      case 'file': {
        const content = entry.content ?? Buffer.alloc(0);
        const sink = writer.begin(content.length);
        for (let from = 0; from < content.length; from += 3000) sink.write(content.subarray(from, from + 3000));
        return { ...attributes, type, data: sink.end() };
      }
      case 'symlink':
        return { ...attributes, type, target: entry.target ?? 'nowhere' };
      case 'character-device':
      case 'block-device': {
        const [major, minor] = entry.device ?? [0, 0];
        return { ...attributes, type, major, minor };
      }
      default:
        return { ...attributes, type };
    }
  };
  const node = nodeOf(root);
  if (node.type !== 'directory') throw new Error('the root must be a directory');
  return node;
}

/** One entry, in a form that tests can compare. */
export interface Listed {
  type: string;
  mode: string;
  owner: string;
  mtime: string;
  links: number;
  /** The first path of the same inode. */
  same: string;
  xattrs: Record<string, string>;
  content: string;
}

/** What a reader of the image should find, by path. */
export function listMeant(root: Meant): Map<string, Listed> {
  const list = new Map<string, Listed>();
  const first = new Map<Meant, { path: string; entry: Listed }>();
  const visit = (entry: Meant, path: string): void => {
    const seen = first.get(entry);
    if (seen !== undefined) {
      seen.entry.links += 1;
      list.set(path, seen.entry);
      return;
    }
    const children = [...(entry.entries ?? [])];
    const isDirectory = entry.type === 'directory';
    const listed: Listed = {
      type: entry.type,
      mode: entry.mode.toString(8),
      owner: `${entry.uid}:${entry.gid}`,
      mtime: `${entry.mtime}.${String(entry.nanoseconds).padStart(9, '0')}`,
      links: isDirectory ? 2 + children.filter(([, child]) => child.type === 'directory').length : 1,
      same: path,
      xattrs: Object.fromEntries([...entry.xattrs].sort().map(([name, value]) => [name, value.toString('hex')])),
      content: contentOf(entry),
    };
    first.set(entry, { path, entry: listed });
    list.set(path, listed);
    for (const [name, child] of children.sort(([a], [b]) => (a < b ? -1 : 1))) visit(child, `${path}/${name}`);
  };
  visit(root, '');
  return list;
}

function contentOf(entry: Meant): string {
  if (entry.type === 'file') return (entry.content ?? Buffer.alloc(0)).toString('latin1');
  if (entry.type === 'symlink') return entry.target ?? 'nowhere';
  if (entry.type === 'character-device' || entry.type === 'block-device') return (entry.device ?? [0, 0]).join(',');
  return '';
}
