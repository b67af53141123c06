import { execFile } from 'node:child_process';
import { lstat, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { bootIdentity } from './boot-identity.ts';
import { systemErrorCode } from './errors.ts';
import { withLockFile } from './lock-file.ts';
import { isGone } from './process-identity.ts';
import { removeTree } from './remove-tree.ts';
import { listDirectory, newStagingPath, syncDirectory } from './staging.ts';

const run = promisify(execFile);

/** Systems write what is left to them after about 30 seconds, so from here on a sync has hardly anything left to do. */
const settlingMilliseconds = 60_000;

export interface WriteBehindOptions {
  /** Notes lie in its `unsynced/`, and paths are relative to it. */
  readonly directory: string;
  /** Lock file of everything that removes what is there. */
  readonly lock: string;
  /** Whether something that a power cut may have damaged is as it should be. What is not is removed. */
  isSound(path: string): Promise<boolean>;
}

/**
 * Lets big files be written without waiting for the disk, and yet be right after a power cut.
 *
 * Waiting for the disk can take longer than everything else that a pull does. All that is written here can be had again,
 * so it is enough to know what to doubt: a note is on disk before the first byte of a file is written, and tells its path
 * and the boot of the machine in which this was. Whoever finds a note of an earlier boot, which ended before the files
 * were synced, looks at them before anything else. In the same boot they are whole whatever happens to the program: the
 * system has their bytes. A note goes when its files were synced, at the next use of the directory after a minute.
 */
export class WriteBehind {
  readonly #options: WriteBehindOptions;

  constructor(options: WriteBehindOptions) {
    this.#options = options;
  }

  /**
   * Notes files that are about to be written, which may replace none. Dispose of it when they are in their places, or will
   * never be.
   *
   * @param candidates Relative paths. They need not come to be.
   */
  async begin(candidates: readonly string[], signal?: AbortSignal): Promise<UnsyncedFiles> {
    await this.settle(signal);
    const boot = bootIdentity();
    if (boot === undefined) return { mustSync: true, [Symbol.asyncDispose]: async () => {} };
    // What is there already is the matter of whoever wrote it.
    const paths = await this.#missing(candidates);
    if (paths.length === 0) return { mustSync: false, [Symbol.asyncDispose]: async () => {} };
    const path = await newStagingPath(this.#notes);
    const draft = `${path}.draft`;
    try {
      await using file = await open(draft, 'wx', 0o644);
      await file.writeFile(`${JSON.stringify({ boot, paths })}\n`);
      await file.sync();
      await rename(draft, path);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
    await syncDirectory(this.#notes);
    const end = async () => {
      if ((await this.#missing(paths)).length === paths.length) await rm(path);
      else await rename(path, `${path}.written`);
    };
    return { mustSync: false, [Symbol.asyncDispose]: end };
  }

  /** Sees to what earlier writers left: after another start of the machine at once, else when it is old enough. */
  async settle(signal?: AbortSignal): Promise<void> {
    const boot = bootIdentity();
    const names = await listDirectory(this.#notes);
    if (names.length === 0 || boot === undefined) return;
    let isAfterPowerCut = false;
    for (const name of names) {
      const path = join(this.#notes, name);
      const note = await readNote(path);
      if (note === undefined) continue;
      if (note.boot !== boot) isAfterPowerCut = true;
      else if (note.age > settlingMilliseconds && isWritten(name)) await this.#sync(path, note);
    }
    if (isAfterPowerCut) await withLockFile(this.#options.lock, () => this.#doubt(boot), signal);
  }

  async #missing(paths: readonly string[]): Promise<string[]> {
    const kinds = await Promise.all(paths.map((each) => kindOf(join(this.#options.directory, each))));
    return paths.filter((_, index) => kinds[index] === undefined);
  }

  async #sync(path: string, { paths }: Note): Promise<void> {
    const directories = new Set<string>();
    for (const each of paths.map((relative) => join(this.#options.directory, relative))) {
      const kind = await kindOf(each);
      if (kind === undefined) continue;
      if (kind === 'file') await syncFile(each);
      else if (!(await syncTree(each))) return;
      directories.add(dirname(each));
    }
    for (const directory of directories) await syncDirectory(directory);
    await rm(path, { force: true });
  }

  /** Under the lock: others that come now wait, and find no note. */
  async #doubt(boot: string): Promise<void> {
    for (const name of await listDirectory(this.#notes)) {
      const path = join(this.#notes, name);
      const note = await readNote(path);
      if (note === undefined || note.boot === boot) continue;
      for (const each of note.paths.map((relative) => join(this.#options.directory, relative))) {
        if ((await kindOf(each)) !== undefined && !(await this.#options.isSound(each))) await removeTree(each);
      }
      await rm(path, { force: true });
    }
  }

  get #notes(): string {
    return join(this.#options.directory, 'unsynced');
  }
}

export interface UnsyncedFiles extends AsyncDisposable {
  /** Whether the files have to be synced all the same, because this system does not tell one boot from another. */
  readonly mustSync: boolean;
}

interface Note {
  readonly boot: string;
  readonly paths: readonly string[];
  /** Milliseconds since its files were in their places. */
  readonly age: number;
}

/** A note appears whole and synced. What cannot be read is the draft of a writer that was about to write something. */
async function readNote(path: string): Promise<Note | undefined> {
  try {
    const [text, { ctimeMs }] = [await readFile(path, 'utf8'), await stat(path)];
    const note: unknown = JSON.parse(text);
    if (typeof note !== 'object' || note === null || !('boot' in note) || !('paths' in note)) throw new SyntaxError();
    const { boot, paths } = note;
    if (typeof boot !== 'string' || !Array.isArray(paths)) throw new SyntaxError();
    return { boot, paths: paths.filter(isInside), age: Date.now() - ctimeMs };
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    if (!(error instanceof SyntaxError)) throw error;
    if (isWritten(basename(path))) await rm(path, { force: true });
    return undefined;
  }
}

function isInside(path: unknown): path is string {
  return typeof path === 'string' && !path.startsWith('/') && !path.split('/').some((part) => /^\.{0,2}$/.test(part));
}

/** Whether nothing of a note is being written any more. */
function isWritten(name: string): boolean {
  return name.endsWith('.written') || isGone(name.split('_', 1)[0] ?? '');
}

async function kindOf(path: string): Promise<'directory' | 'file' | undefined> {
  try {
    return (await lstat(path)).isDirectory() ? 'directory' : 'file';
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function syncFile(path: string): Promise<void> {
  try {
    await using file = await open(path, 'r');
    await file.sync();
  } catch (error) {
    // It was removed a moment ago.
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  }
}

/** One call for a whole file system; macOS has only the one for all of them. @returns Whether it could be done. */
async function syncTree(path: string): Promise<boolean> {
  try {
    await run('sync', process.platform === 'linux' ? ['-f', path] : []);
    return true;
  } catch {
    return false;
  }
}
