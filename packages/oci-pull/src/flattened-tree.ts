import type { ByteString } from './byte-string.ts';
import type { FileInode, InodeMetadata, LayerContents, LayerEntry, LeafInode } from './layer-contents.ts';
import { Pacer } from './pacer.ts';
import { checkPathLength, EntryError, entryComponents } from './rootfs-path.ts';
import { noXattrs } from './tar-entry.ts';
import type { UnpackBudget } from './unpack-budget.ts';

/** A directory of an image in the making. */
export interface TreeDirectory {
  readonly type: 'directory';
  metadata: InodeMetadata;
  readonly children: Map<ByteString, TreeInode>;
}

export type TreeInode = TreeDirectory | LeafInode;

/** Tells what went wrong at which entry; see {@link FlattenedTree.add}. */
export type EntryFailure = (error: unknown, path: ByteString) => unknown;

/** Of a directory that no entry describes: fixed, so that an image always unpacks to the same tree. */
const impliedMetadata: InodeMetadata = { mode: 0o755, uid: 0, gid: 0, mtime: 0, nanoseconds: 0, xattrs: noXattrs };

/** Directories that are remembered at a time: more than an ordinary image has. */
const maximumResolved = 100_000;
/** As many as Linux follows before it gives up. */
const maximumSymlinks = 40;

const nothing: ReadonlySet<ByteString> = new Set();

/** A directory with its path and all directories above it, which `..` in a symlink leads to. */
interface Place {
  readonly directories: readonly TreeDirectory[];
  /** Bytes of the path from the root. */
  readonly length: number;
}

/**
 * The layers of an image, one above the other, in memory: names and metadata, without the contents.
 *
 * Every path is taken from the root, symlinks in its directories are followed inside the root only, and what lies at
 * its end is replaced, never followed. No file system is touched, so nothing can be reached that is not in the tree.
 */
export class FlattenedTree {
  readonly root: TreeDirectory = newDirectory();
  readonly #budget: UnpackBudget;
  /** Where the directories of entries' names really are. Emptied whenever a directory or a symlink disappears. */
  readonly #resolved = new Map<ByteString, Place>();
  readonly #onHidden: (inode: FileInode) => void;
  readonly #linked = new Set<LeafInode>();
  /** Inodes that the current layer brought: nothing of the same layer may lie below them. */
  #fresh = new Set<TreeInode>();
  /** Paths of directories that the current layer describes, while its whiteouts are applied. */
  #declared: ReadonlySet<ByteString> = nothing;

  /** @param onHidden Hears of each file with content that no longer has a name. */
  constructor(budget: UnpackBudget, onHidden: (inode: FileInode) => void) {
    this.#budget = budget;
    this.#onHidden = onHidden;
  }

  /**
   * Puts a layer above those that were added before. Its whiteouts come first, wherever they stand in the archive:
   * they hide what lower layers have, nothing of their own. One layer is added at a time.
   *
   * @param failure Gives the error to throw when an entry is at fault.
   */
  async add({ entries, whiteouts }: LayerContents, failure: EntryFailure): Promise<void> {
    const pacer = new Pacer();
    let path: ByteString = '';
    this.#resolved.clear();
    this.#fresh = new Set();
    if (whiteouts.length > 0) this.#declared = declaredDirectories(entries);
    try {
      for (const whiteout of whiteouts) {
        path = whiteout.path;
        if (whiteout.isOpaque) this.#clear(whiteout.hidden);
        else this.#hide(whiteout.hidden);
      }
      this.#resolved.clear();
      this.#declared = nothing;
      for (const entry of entries) {
        path = entry.path;
        this.#apply(entry);
        const pause = pacer.step();
        if (pause !== undefined) await pause;
      }
    } catch (error) {
      throw failure(error, path);
    }
  }

  /** Whether an inode may have several names; one that was never linked has but one. */
  isLinked(inode: LeafInode): boolean {
    return this.#linked.has(inode);
  }

  #apply(entry: LayerEntry): void {
    const components = entryComponents(entry.path);
    const name = components.pop();
    if (name === undefined) {
      if (entry.kind !== 'directory') throw new EntryError('UNSAFE_PATH', 'only a directory can be the root');
      this.root.metadata = entry.metadata;
      return;
    }
    if (entry.kind === 'link') {
      const inode = this.#linkTarget(entry.target);
      const parent = this.#directory(components, name);
      if (parent.children.get(name) === inode) return;
      this.#linked.add(inode);
      // The directory that gives way may be what holds the target.
      this.#put(parent, name, inode);
      if (!this.#holds(entry.target, inode)) {
        throw new EntryError('CORRUPT_LAYER', 'it is a hard link that replaces its own target');
      }
      return;
    }
    const parent = this.#directory(components, name);
    if (entry.kind === 'leaf') {
      this.#put(parent, name, entry.inode);
      this.#fresh.add(entry.inode);
      return;
    }
    const existing = parent.children.get(name);
    if (existing?.type === 'directory') {
      existing.metadata = entry.metadata;
      return;
    }
    const made = newDirectory();
    made.metadata = entry.metadata;
    this.#put(parent, name, made);
  }

  #put(parent: TreeDirectory, name: ByteString, inode: TreeInode): void {
    const existing = parent.children.get(name);
    if (existing !== undefined) this.#forget(existing);
    parent.children.set(name, inode);
  }

  #hide(components: readonly ByteString[]): void {
    const name = components.at(-1) ?? '';
    const parent = this.#resolve(components.slice(0, -1), false)?.directories.at(-1);
    const existing = parent?.children.get(name);
    if (existing === undefined) return;
    this.#forget(existing);
    parent?.children.delete(name);
  }

  #clear(components: readonly ByteString[]): void {
    const directory = this.#resolve(components, false)?.directories.at(-1);
    for (const child of directory?.children.values() ?? []) this.#forget(child);
    directory?.children.clear();
  }

  #forget(inode: TreeInode): void {
    if (inode.type === 'directory' || inode.type === 'symlink') this.#resolved.clear();
    const hidden = [inode];
    for (let next = hidden.pop(); next !== undefined; next = hidden.pop()) {
      if (next.type === 'directory') for (const child of next.children.values()) hidden.push(child);
      else if (next.type === 'file' && next.size > 0 && !this.#linked.has(next)) this.#onHidden(next);
    }
  }

  #linkTarget(path: ByteString): LeafInode {
    const inode = this.#find(path);
    if (inode === undefined) throw new EntryError('CORRUPT_LAYER', 'it is a hard link to something that is not there');
    if (inode.type === 'directory') throw new EntryError('CORRUPT_LAYER', 'it is a hard link to a directory');
    return inode;
  }

  #holds(path: ByteString, inode: LeafInode): boolean {
    return this.#find(path) === inode;
  }

  #find(path: ByteString): TreeInode | undefined {
    const components = entryComponents(path);
    const name = components.pop();
    if (name === undefined) return this.root;
    return this.#resolve(components, false)?.directories.at(-1)?.children.get(name);
  }

  /** The directory for a new entry, made with all above it where they are missing. */
  #directory(components: readonly ByteString[], name: ByteString): TreeDirectory {
    const place = this.#resolve(components, true);
    checkPathLength((place?.length ?? 0) + 1 + name.length);
    return place?.directories.at(-1) ?? this.root;
  }

  /** Follows symlinks as if the tree's root were `/`. A missing directory is made, or gives undefined. */
  #resolve(components: readonly ByteString[], make: boolean): Place | undefined {
    const key = components.join('/');
    const known = this.#resolved.get(key);
    if (known !== undefined) return known;
    const rest = components.toReversed();
    let names: ByteString[] = [];
    let directories = [this.root];
    let symlinks = 0;
    for (let component = rest.pop(); component !== undefined; component = rest.pop()) {
      if (component === '' || component === '.') continue;
      if (component === '..') {
        names.pop();
        if (directories.length > 1) directories.pop();
        continue;
      }
      const parent = directories.at(-1) ?? this.root;
      let found = parent.children.get(component);
      if (found?.type === 'symlink') {
        // A directory of the same layer takes the symlink's place, so a whiteout in it concerns nothing behind it.
        if (symlinks === 0 && this.#declared.has([...names, component].join('/'))) return undefined;
        if (++symlinks > maximumSymlinks) throw new EntryError('UNSAFE_PATH', 'its directory is a loop of symlinks');
        if (found.target.startsWith('/')) {
          names = [];
          directories = [this.root];
        }
        rest.push(...found.target.split('/').toReversed());
        continue;
      }
      if (found?.type !== 'directory') {
        if (!make) return undefined;
        found = this.#makeParent(parent, component, found);
      }
      names.push(component);
      directories.push(found);
    }
    const length = names.reduce((sum, name) => sum + 1 + name.length, 0);
    checkPathLength(length);
    if (this.#resolved.size >= maximumResolved) this.#resolved.clear();
    const place = { directories, length };
    this.#resolved.set(key, place);
    return place;
  }

  /** A directory that no entry describes, unless one does so later. */
  #makeParent(parent: TreeDirectory, name: ByteString, existing: TreeInode | undefined): TreeDirectory {
    if (existing !== undefined && this.#fresh.has(existing)) {
      throw new EntryError('CORRUPT_LAYER', 'it lies under an entry of the same layer that is no directory');
    }
    this.#budget.spendEntry(name);
    const made = newDirectory();
    this.#put(parent, name, made);
    return made;
  }
}

function declaredDirectories(entries: readonly LayerEntry[]): ReadonlySet<ByteString> {
  const directories = entries.filter(({ kind }) => kind === 'directory');
  return new Set(directories.map(({ path }) => entryComponents(path).join('/')));
}

function newDirectory(): TreeDirectory {
  return { type: 'directory', metadata: impliedMetadata, children: new Map() };
}
