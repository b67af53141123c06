/** What is at a path of a {@link FakeVolume}. */
export interface FakeFileStatus {
  type: 'file' | 'directory' | 'link';
  /** Permission bits. */
  mode: number;
  /** Bytes of a file; 0 for what is none. */
  size: number;
  modifiedAt: Date;
  linkTarget?: string | undefined;
}

/**
 * Files of a fake container: its root, a volume, or a directory of the host. Paths are relative, without `.`, `..` and
 * empty parts; the volume itself is the empty path. Links are not followed here.
 *
 * What cannot be done is a {@link FakeFileError}.
 */
export interface FakeVolume {
  stat(path: string): FakeFileStatus | undefined;
  list(path: string): string[];
  read(path: string): Uint8Array;
  /** Makes a file, or replaces its content. */
  write(path: string, data: Uint8Array, mode: number): void;
  makeDirectory(path: string, mode: number): void;
  link(path: string, target: string): void;
  /** With all that is below. */
  remove(path: string): void;
}

/** A file operation failed, in the way that its `code` tells as Node.js does: `ENOENT`, `EROFS`, `ENOSPC`. */
export class FakeFileError extends Error {
  override readonly name = 'FakeFileError';
  readonly code: string;

  constructor(code: string, path: string) {
    super(`${code}: ${path}`);
    this.code = code;
  }
}

interface Entry extends FakeFileStatus {
  data: Uint8Array;
}

/** Files in memory, up to a number of bytes. */
export class MemoryVolume implements FakeVolume {
  readonly #entries = new Map<string, Entry>();
  readonly #limit: number;
  #used = 0;

  constructor({ mode = 0o755, limit = Number.POSITIVE_INFINITY }: { mode?: number; limit?: number | undefined } = {}) {
    this.#limit = limit;
    this.#put('', 'directory', { mode });
  }

  /** Bytes of all files. */
  get used(): number {
    return this.#used;
  }

  stat(path: string): FakeFileStatus | undefined {
    const entry = this.#entries.get(path);
    if (entry === undefined) return undefined;
    const { data: _, ...status } = entry;
    return status;
  }

  list(path: string): string[] {
    this.#directory(path);
    const prefix = path === '' ? '' : `${path}/`;
    return [...this.#entries.keys()]
      .filter((name) => name !== '' && name.startsWith(prefix) && !name.slice(prefix.length).includes('/'))
      .map((name) => name.slice(prefix.length))
      .sort();
  }

  read(path: string): Uint8Array {
    const entry = this.#entries.get(path);
    if (entry === undefined) throw new FakeFileError('ENOENT', path);
    if (entry.type !== 'file') throw new FakeFileError('EISDIR', path);
    return entry.data;
  }

  write(path: string, data: Uint8Array, mode: number): void {
    const former = this.#entries.get(path);
    if (former !== undefined && former.type !== 'file') throw new FakeFileError('EISDIR', path);
    this.#directory(parentOf(path));
    const used = this.#used - (former?.size ?? 0) + data.byteLength;
    if (used > this.#limit) throw new FakeFileError('ENOSPC', path);
    this.#used = used;
    this.#put(path, 'file', { mode: former?.mode ?? mode, data: Uint8Array.from(data) });
  }

  makeDirectory(path: string, mode: number): void {
    const former = this.#entries.get(path);
    if (former?.type === 'directory') return;
    if (former) throw new FakeFileError('EEXIST', path);
    this.#directory(parentOf(path));
    this.#put(path, 'directory', { mode });
  }

  link(path: string, target: string): void {
    if (this.#entries.has(path)) throw new FakeFileError('EEXIST', path);
    this.#directory(parentOf(path));
    this.#put(path, 'link', { mode: 0o777, linkTarget: target });
  }

  remove(path: string): void {
    for (const [name, { size }] of this.#entries) {
      if (name === '' || (name !== path && !name.startsWith(`${path}/`))) continue;
      this.#used -= size;
      this.#entries.delete(name);
    }
  }

  #put(
    path: string,
    type: FakeFileStatus['type'],
    { mode, data = new Uint8Array(), linkTarget }: { mode: number; data?: Uint8Array; linkTarget?: string },
  ): void {
    this.#entries.set(path, { type, mode, size: data.byteLength, modifiedAt: new Date(), linkTarget, data });
  }

  #directory(path: string): void {
    const entry = this.#entries.get(path);
    if (entry === undefined) throw new FakeFileError('ENOENT', path);
    if (entry.type !== 'directory') throw new FakeFileError('ENOTDIR', path);
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
