import type { DirectoryNode, ErofsNode, ErofsWriter, FileData, NodeAttributes } from '@zlayer/erofs';
import { type ByteString, byteString } from './byte-string.ts';
import type { ContentSink, ContentWriter } from './content-sink.ts';
import type { FlattenedTree, TreeDirectory, TreeInode } from './flattened-tree.ts';
import type { InodeNumber } from './inode-store.ts';
import type { InodeMetadata, LeafInode } from './layer-contents.ts';

/** Contents go straight into the image; their places follow from the order in which they come. */
export class ErofsContents implements ContentSink {
  readonly parallelLayers = 1;
  readonly #writer: ErofsWriter;
  readonly #data: FileData[] = [];

  constructor(writer: ErofsWriter) {
    this.#writer = writer;
  }

  begin(size: number): ContentWriter {
    const sink = this.#writer.begin(size);
    return {
      write: (chunk) => sink.write(chunk),
      end: () => this.#data.push(sink.end()) - 1,
      abort: () => sink.cancel(),
    };
  }

  discard(content: number): void {
    const data = this.#data[content];
    if (data !== undefined) this.#writer.discard(data);
  }

  /**
   * The root for the writer, to be gone through once: the tree is emptied on the way. Inodes of several names become one
   * node.
   */
  nodes(tree: FlattenedTree): DirectoryNode {
    const linked = new Map<InodeNumber, ErofsNode>();
    const directory = ({ metadata, children }: TreeDirectory): DirectoryNode => {
      return { type: 'directory', ...attributes(metadata), entries: entries(children) };
    };
    // Made while the writer goes through them, so that the tree is not there twice.
    function* entries(children: TreeDirectory['children']): Generator<[ByteString, ErofsNode]> {
      for (const [name, inode] of children) yield [name, node(inode)];
      children.clear();
    }
    const node = (inode: TreeInode): ErofsNode => {
      if (typeof inode === 'object') return directory(inode);
      const known = linked.get(inode);
      if (known !== undefined) return known;
      const made = this.#leaf(tree.inodes.leaf(inode));
      if (tree.isLinked(inode)) linked.set(inode, made);
      return made;
    };
    return directory(tree.root);
  }

  #leaf(inode: LeafInode): ErofsNode {
    switch (inode.type) {
      case 'file':
        return { type: 'file', ...attributes(inode), data: inode.size === 0 ? undefined : this.#data[inode.content] };
      case 'symlink':
        return { type: 'symlink', ...attributes(inode), target: inode.target };
      case 'fifo':
        return { type: 'fifo', ...attributes(inode) };
      default: {
        const { deviceMajor: major, deviceMinor: minor } = inode;
        return { type: `${inode.type}-device`, ...attributes(inode), major, minor };
      }
    }
  }
}

function attributes({ mode, uid, gid, mtime, nanoseconds, xattrs }: InodeMetadata): NodeAttributes {
  const common = { mode, uid, gid, mtime: Math.round(mtime - nanoseconds / 1e9), mtimeNanoseconds: nanoseconds };
  if (xattrs.size === 0) return common;
  return { ...common, xattrs: [...xattrs].map(([name, value]) => [byteString(name), value]) };
}
