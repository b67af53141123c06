import type { ByteString } from './byte-string.ts';
import type { InodeNumber, InodeStore } from './inode-store.ts';
import type { InodeMetadata, LayerContents } from './layer-contents.ts';
import { Pacer } from './pacer.ts';
import { checkPathLength, EntryError, entryComponents } from './rootfs-path.ts';
import { noXattrs } from './tar-entry.ts';
import type { UnpackBudget } from './unpack-budget.ts';

/** A directory of an image in the making. */
export interface TreeDirectory {
  metadata: InodeMetadata;
  readonly children: Map<ByteString, TreeInode>;
}

/** A directory, or another inode by its number: all names that are linked to it have the same. */
export type TreeInode = TreeDirectory | InodeNumber;

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
  readonly inodes: InodeStore;
  readonly #budget: UnpackBudget;
  /** Where the directories of entries' names really are. Emptied whenever a directory or a symlink disappears. */
  readonly #resolved = new Map<ByteString, Place>();
  readonly #onHidden: (content: number) => void;
  readonly #linked = new Set<InodeNumber>();
  /** The layer that is being added. */
  #layer = -1;
  /** Paths of directories that the current layer describes, while its whiteouts are applied. */
  #declared: ReadonlySet<ByteString> = nothing;

  /**
   * @param inodes Those of the layers.
   * @param onHidden Hears of the content of each file that no longer has a name.
   */
  constructor(inodes: InodeStore, budget: UnpackBudget, onHidden: (content: number) => void) {
    this.inodes = inodes;
    this.#budget = budget;
    this.#onHidden = onHidden;
  }

  /**
   * Puts a layer above those that were added before. Its whiteouts come first, wherever they stand in the archive:
   * they hide what lower layers have, nothing of their own. One layer is added at a time.
   *
   * @param failure Gives the error to throw when an entry is at fault.
   */
  async add(layer: LayerContents, failure: EntryFailure): Promise<void> {
    const pacer = new Pacer();
    let path: ByteString = '';
    this.#resolved.clear();
    this.#layer += 1;
    if (layer.whiteouts.length > 0) this.#declared = this.#declaredDirectories(layer);
    try {
      for (const whiteout of layer.whiteouts) {
        path = whiteout.path;
        if (whiteout.isOpaque) this.#clear(whiteout.hidden);
        else this.#hide(whiteout.hidden);
      }
      this.#resolved.clear();
      this.#declared = nothing;
      for (const [index, inode] of layer.inodes.entries()) {
        path = layer.paths[index] ?? '';
        this.#apply(path, inode);
        const pause = pacer.step();
        if (pause !== undefined) await pause;
      }
    } catch (error) {
      throw failure(error, path);
    }
  }

  /** Whether an inode may have several names; one that was never linked has but one. */
  isLinked(inode: InodeNumber): boolean {
    return this.#linked.has(inode);
  }

  #apply(path: ByteString, inode: InodeNumber): void {
    const type = this.inodes.typeOf(inode);
    const components = entryComponents(path);
    const name = components.pop();
    if (name === undefined) {
      if (type !== 'directory') throw new EntryError('UNSAFE_PATH', 'only a directory can be the root');
      this.root.metadata = this.inodes.metadataOf(inode);
      return;
    }
    if (type === 'hardlink') {
      this.#link(components, name, this.inodes.targetOf(inode));
      return;
    }
    const parent = this.#directory(components, name);
    if (type !== 'directory') {
      this.#put(parent, name, inode);
      return;
    }
    const existing = parent.children.get(name);
    const metadata = this.inodes.metadataOf(inode);
    if (typeof existing === 'object') existing.metadata = metadata;
    else this.#put(parent, name, { ...newDirectory(), metadata });
  }

  #link(components: readonly ByteString[], name: ByteString, target: ByteString): void {
    const inode = this.#linkTarget(target);
    const parent = this.#directory(components, name);
    if (parent.children.get(name) === inode) return;
    this.#linked.add(inode);
    // The directory that gives way may be what holds the target.
    this.#put(parent, name, inode);
    if (this.#find(target) !== inode) {
      throw new EntryError('CORRUPT_LAYER', 'it is a hard link that replaces its own target');
    }
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
    if (typeof inode === 'object' || this.inodes.typeOf(inode) === 'symlink') this.#resolved.clear();
    const hidden = [inode];
    for (let next = hidden.pop(); next !== undefined; next = hidden.pop()) {
      if (typeof next === 'object') for (const child of next.children.values()) hidden.push(child);
      else if (this.#hasContent(next) && !this.#linked.has(next)) this.#onHidden(this.inodes.contentOf(next));
    }
  }

  #hasContent(inode: InodeNumber): boolean {
    return this.inodes.typeOf(inode) === 'file' && this.inodes.sizeOf(inode) > 0;
  }

  #linkTarget(path: ByteString): InodeNumber {
    const inode = this.#find(path);
    if (inode === undefined) throw new EntryError('CORRUPT_LAYER', 'it is a hard link to something that is not there');
    if (typeof inode === 'object') throw new EntryError('CORRUPT_LAYER', 'it is a hard link to a directory');
    return inode;
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
      if (typeof found === 'number' && this.inodes.typeOf(found) === 'symlink') {
        // A directory of the same layer takes the symlink's place, so a whiteout in it concerns nothing behind it.
        if (symlinks === 0 && this.#declared.has([...names, component].join('/'))) return undefined;
        if (++symlinks > maximumSymlinks) throw new EntryError('UNSAFE_PATH', 'its directory is a loop of symlinks');
        const target = this.inodes.targetOf(found);
        if (target.startsWith('/')) {
          names = [];
          directories = [this.root];
        }
        rest.push(...target.split('/').toReversed());
        continue;
      }
      if (typeof found !== 'object') {
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

  #declaredDirectories({ paths, inodes }: LayerContents): ReadonlySet<ByteString> {
    const directories = paths.filter((_, index) => this.inodes.typeOf(inodes[index] ?? -1) === 'directory');
    return new Set(directories.map((path) => entryComponents(path).join('/')));
  }

  /** A directory that no entry describes, unless one does so later. */
  #makeParent(parent: TreeDirectory, name: ByteString, existing: InodeNumber | undefined): TreeDirectory {
    if (existing !== undefined && this.inodes.layerOf(existing) === this.#layer) {
      throw new EntryError('CORRUPT_LAYER', 'it lies under an entry of the same layer that is no directory');
    }
    this.#budget.spendEntry(name);
    const made = newDirectory();
    this.#put(parent, name, made);
    return made;
  }
}

function newDirectory(): TreeDirectory {
  return { metadata: impliedMetadata, children: new Map() };
}
