import {
  chmodSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  type Stats,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { type ByteString, byteString, byteStringOf, systemPath } from './byte-string.ts';
import { systemErrorCode } from './errors.ts';
import { makeNode } from './make-node.ts';
import { checkSymlinkTarget, EntryError, entryComponents } from './rootfs-path.ts';
import type { TarEntry } from './tar-entry.ts';
import type { UnpackBudget } from './unpack-budget.ts';
import type { LossRecorder } from './unpack-losses.ts';

/** Path from the root of the tree, without a slash at either end; empty for the root itself. */
type TreePath = ByteString;

type Metadata = Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime'>;

/** Of a directory that no entry describes: fixed, so that an image always unpacks to the same tree. */
const impliedMetadata: Metadata = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };

/** Directories that are remembered at a time: more than an ordinary image has. */
const maximumResolved = 100_000;
/** As many as Linux follows before it gives up. */
const maximumSymlinks = 40;

/**
 * A root file system in the making. Every path is taken from its root, symlinks in it are followed inside the root
 * only, and what lies at the end of a path is never followed nor written through but replaced.
 *
 * Calls are synchronous: each one is short, they come between asynchronous reads of the layer, and nothing of ours can
 * change the tree between a check and its use.
 */
export class RootfsTree {
  readonly #root: ByteString;
  readonly #budget: UnpackBudget;
  readonly #losses: LossRecorder;
  /** Where the directories of entries' names really are. Emptied whenever a directory or a symlink disappears. */
  readonly #resolved = new Map<ByteString, TreePath>();
  /** What the current layer made, with all directories above: a whiteout hides nothing of its own layer. */
  readonly #fresh = new Set<TreePath>();
  /** Set at the very end: filling a directory changes its time, and may need permissions that it must not keep. */
  readonly #directories = new Map<TreePath, Metadata>();

  /** @param root An existing, empty directory. */
  constructor(root: string, budget: UnpackBudget, losses: LossRecorder) {
    this.#root = byteString(root);
    this.#budget = budget;
    this.#losses = losses;
    this.#directories.set('', impliedMetadata);
  }

  beginLayer(): void {
    this.#fresh.clear();
    this.#resolved.clear();
  }

  /** Makes a file for the caller to fill, in a descriptor that it must close; see {@link finishFile}. */
  createFile(components: readonly ByteString[]): { descriptor: number; path: TreePath } {
    const path = this.#place(components);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const descriptor = this.#replacing(path, (target) => openSync(target, flags, 0o600));
    return { descriptor, path };
  }

  finishFile(descriptor: number, path: TreePath, { uid, gid, mode, mtime }: TarEntry): void {
    // Changing the owner clears setuid and setgid, so the mode comes after it.
    this.#own(path, uid, gid, () => fchownSync(descriptor, uid, gid));
    fchmodSync(descriptor, mode);
    futimesSync(descriptor, mtime, mtime);
  }

  makeDirectory(components: readonly ByteString[], { mode, uid, gid, mtime }: TarEntry): void {
    const path = components.length === 0 ? '' : this.#place(components);
    if (path !== '') this.#ensureDirectory(path);
    this.#directories.set(path, { mode, uid, gid, mtime });
  }

  makeSymlink(components: readonly ByteString[], { linkPath, uid, gid, mtime }: TarEntry): void {
    checkSymlinkTarget(linkPath);
    const path = this.#place(components);
    this.#replacing(path, (target) => symlinkSync(systemPath(linkPath), target));
    this.#own(path, uid, gid, () => lchownSync(this.#absolute(path), uid, gid));
    lutimesSync(this.#absolute(path), mtime, mtime);
  }

  /** Links to a file of this layer or of one below. */
  makeHardLink(components: readonly ByteString[], linkPath: ByteString): void {
    const targetComponents = entryComponents(linkPath);
    const parent = this.#resolve(targetComponents.slice(0, -1), false);
    const target = joined(parent ?? '', targetComponents.at(-1) ?? '');
    const found = parent === undefined || target === '' ? undefined : this.#status(target);
    if (found === undefined) throw new EntryError('CORRUPT_LAYER', 'it is a hard link to something that is not there');
    if (found.isDirectory()) throw new EntryError('CORRUPT_LAYER', 'it is a hard link to a directory');
    const path = this.#place(components);
    if (path === target) return;
    // Other systems than Linux follow a symlink here, out of the root, so there it gets a copy.
    const isCopied = found.isSymbolicLink() && process.platform !== 'linux';
    try {
      this.#replacing(path, (to) => {
        const from = this.#absolute(target);
        if (isCopied) symlinkSync(readlinkSync(from, { encoding: 'buffer' }), to);
        else linkSync(from, to);
      });
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
      throw new EntryError('CORRUPT_LAYER', 'it is a hard link that replaces its own target');
    }
  }

  /** Makes a device node or FIFO if this process may; otherwise it is recorded as lost. */
  async makeSpecial(components: readonly ByteString[], entry: TarEntry, signal: AbortSignal): Promise<void> {
    const path = this.#place(components);
    if (this.#status(path) !== undefined) this.#remove(path);
    if (!(await makeNode(this.#absolute(path), entry, signal))) {
      this.#losses.add('devices', path);
      return;
    }
    this.#own(path, entry.uid, entry.gid, () => lchownSync(this.#absolute(path), entry.uid, entry.gid));
    chmodSync(this.#absolute(path), entry.mode);
    lutimesSync(this.#absolute(path), entry.mtime, entry.mtime);
  }

  /** Hides what lower layers have at a path. */
  whiteOut(components: readonly ByteString[]): void {
    const parent = this.#resolve(components.slice(0, -1), false);
    if (parent !== undefined) this.#removeLower(joined(parent, components.at(-1) ?? ''));
  }

  /** Hides what lower layers have in a directory. */
  makeOpaque(components: readonly ByteString[]): void {
    const directory = this.#resolve(components, false);
    if (directory === undefined) return;
    for (const name of this.#list(directory)) this.#removeLower(joined(directory, name));
  }

  /** Gives the directories their owners, modes and times, the deepest first. */
  finish(): void {
    const deepestFirst = [...this.#directories].sort(([a], [b]) => b.length - a.length);
    for (const [path, { mode, uid, gid, mtime }] of deepestFirst) {
      const target = this.#absolute(path);
      this.#own(path, uid, gid, () => lchownSync(target, uid, gid));
      chmodSync(target, mode);
      lutimesSync(target, mtime, mtime);
    }
  }

  /** The path for a new entry, with all directories above it. */
  #place(components: readonly ByteString[]): TreePath {
    const name = components.at(-1);
    if (name === undefined) throw new EntryError('UNSAFE_PATH', 'only a directory can be the root');
    const parent = this.#resolve(components.slice(0, -1), true) ?? '';
    const path = joined(parent, name);
    this.#fresh.add(path);
    return path;
  }

  /**
   * Where a directory really is: symlinks are followed as if the tree's root were `/`.
   * A missing directory is made or gives undefined.
   */
  #resolve(components: readonly ByteString[], make: boolean): TreePath | undefined {
    const key = `${make ? '+' : '-'}${components.join('/')}`;
    const known = this.#resolved.get(key);
    if (known !== undefined) return known;
    const rest = components.toReversed();
    let at: ByteString[] = [];
    let symlinks = 0;
    for (let component = rest.pop(); component !== undefined; component = rest.pop()) {
      if (component === '' || component === '.') continue;
      if (component === '..') {
        at.pop();
        continue;
      }
      const path = [...at, component].join('/');
      const found = this.#status(path);
      if (found?.isSymbolicLink()) {
        if (++symlinks > maximumSymlinks) throw new EntryError('UNSAFE_PATH', 'its directory is a loop of symlinks');
        const target = byteStringOf(readlinkSync(this.#absolute(path), { encoding: 'buffer' }));
        if (target.startsWith('/')) at = [];
        rest.push(...target.split('/').toReversed());
        continue;
      }
      if (!found?.isDirectory()) {
        if (!make) return undefined;
        this.#makeParent(path, found !== undefined);
      }
      if (make) this.#fresh.add(path);
      at.push(component);
    }
    const path = at.join('/');
    if (this.#resolved.size >= maximumResolved) this.#resolved.clear();
    this.#resolved.set(key, path);
    return path;
  }

  /** A directory that no entry describes, unless one does so later. */
  #makeParent(path: TreePath, isOccupied: boolean): void {
    if (isOccupied && this.#fresh.has(path)) {
      throw new EntryError('CORRUPT_LAYER', 'it lies under an entry of the same layer that is no directory');
    }
    this.#budget.spendEntry(path);
    this.#ensureDirectory(path);
    this.#directories.set(path, impliedMetadata);
  }

  #ensureDirectory(path: TreePath): void {
    const target = this.#absolute(path);
    try {
      mkdirSync(target, 0o700);
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
      if (this.#status(path)?.isDirectory()) return;
      this.#remove(path);
      mkdirSync(target, 0o700);
    }
  }

  /** Runs an action that makes something new at a path; what is there already gives way. */
  #replacing<T>(path: TreePath, make: (target: string | Buffer) => T): T {
    const target = this.#absolute(path);
    try {
      return make(target);
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
      this.#remove(path);
      return make(target);
    }
  }

  #removeLower(path: TreePath): void {
    const found = this.#status(path);
    if (found === undefined) return;
    if (!this.#fresh.has(path)) this.#remove(path);
    else if (found.isDirectory()) for (const name of this.#list(path)) this.#removeLower(joined(path, name));
  }

  #remove(path: TreePath): void {
    const found = this.#status(path);
    if (found === undefined) return;
    if (found.isDirectory()) {
      for (const name of this.#list(path)) this.#remove(joined(path, name));
      rmdirSync(this.#absolute(path));
      this.#directories.delete(path);
    } else {
      unlinkSync(this.#absolute(path));
    }
    if (found.isDirectory() || found.isSymbolicLink()) this.#resolved.clear();
  }

  #own(path: TreePath, uid: number, gid: number, change: () => void): void {
    if (process.getuid?.() !== 0) {
      if (uid !== process.getuid?.() || gid !== process.getgid?.()) this.#losses.add('owners', path);
      return;
    }
    try {
      change();
    } catch (error) {
      // Root of a user namespace may only give files to the users that the namespace knows.
      if (systemErrorCode(error) !== 'EINVAL' && systemErrorCode(error) !== 'EPERM') throw error;
      this.#losses.add('owners', path);
    }
  }

  #list(path: TreePath): ByteString[] {
    return readdirSync(this.#absolute(path), { encoding: 'buffer' }).map(byteStringOf);
  }

  #status(path: TreePath): Stats | undefined {
    return lstatSync(this.#absolute(path), { throwIfNoEntry: false });
  }

  #absolute(path: TreePath): string | Buffer {
    return systemPath(path === '' ? this.#root : `${this.#root}/${path}`);
  }
}

function joined(parent: TreePath, name: ByteString): TreePath {
  return parent === '' ? name : `${parent}/${name}`;
}
