import { FakeFileError, type FakeFileStatus, type FakeVolume } from './fake-volume.ts';

/** A volume at a place in the container. */
export interface FakeMount {
  /** Absolute path, without `/` at its end. The root is empty. */
  target: string;
  volume: FakeVolume;
  readOnly: boolean;
}

/** Links that are followed on the way to one file. */
const MAX_LINKS = 40;

interface Place extends FakeMount {
  /** In the container. */
  path: string;
  /** In the volume. */
  inside: string;
}

/**
 * The files of a fake container, as its programs see them. Relative paths begin at the root. Who may do what is not looked
 * at, other than in a real container.
 */
export class FakeFiles {
  readonly #mounts: FakeMount[];

  constructor(root: FakeMount, mounts: readonly FakeMount[] = []) {
    this.#mounts = [root];
    // As a real runtime does, what is mounted over is made first.
    for (const mount of [...mounts].sort((one, other) => one.target.length - other.target.length)) {
      this.#makeParents(mount);
      this.#mounts.push(mount);
    }
  }

  /** What is at a path, with a link at its end not followed; `undefined` when there is nothing. */
  stat(path: string): FakeFileStatus | undefined {
    const { volume, inside } = this.#resolve(path, false);
    return volume.stat(inside);
  }

  /** Names in a directory, those of mounts too. */
  list(path: string): string[] {
    const { volume, inside } = this.#resolve(path, true);
    return volume.list(inside);
  }

  read(path: string): Uint8Array {
    const { volume, inside } = this.#resolve(path, true);
    return volume.read(inside);
  }

  readText(path: string): string {
    return Buffer.from(this.read(path)).toString();
  }

  /** Makes a file, replaces its content, or appends to it. Its directory is there. */
  write(path: string, data: string | Uint8Array, { append = false, mode = 0o644 } = {}): void {
    const { volume, inside } = this.#writable(path, true);
    const before = append && volume.stat(inside) ? volume.read(inside) : new Uint8Array();
    volume.write(inside, Buffer.concat([before, Buffer.from(data)]), mode);
  }

  /** Makes a directory and those above it. */
  makeDirectory(path: string, mode = 0o755): void {
    const parts = path.split('/').filter((part) => part !== '');
    for (const [index] of parts.entries()) {
      const each = parts.slice(0, index + 1).join('/');
      const { volume, inside } = this.#resolve(each, true);
      if (volume.stat(inside)?.type === 'directory') continue;
      const place = this.#writable(each, true);
      place.volume.makeDirectory(place.inside, index === parts.length - 1 ? mode : 0o755);
    }
  }

  link(path: string, target: string): void {
    const { volume, inside } = this.#writable(path, false);
    volume.link(inside, target);
  }

  remove(path: string): void {
    const { volume, inside } = this.#writable(path, false);
    if (volume.stat(inside) === undefined) throw new FakeFileError('ENOENT', path);
    volume.remove(inside);
  }

  /** Where a path leads, and whether it is a directory there. */
  isDirectory(path: string): boolean {
    const { volume, inside } = this.#resolve(path, true);
    return volume.stat(inside)?.type === 'directory';
  }

  #makeParents({ target, volume }: FakeMount): void {
    const kind = volume.stat('')?.type;
    const cut = target.lastIndexOf('/');
    // The image's own files are below a read-only root as well.
    const view = new FakeFiles({ ...this.#locate('/'), target: '', readOnly: false }, this.#mounts.slice(1));
    if (kind === 'directory') view.makeDirectory(target);
    else {
      if (cut > 0) view.makeDirectory(target.slice(0, cut));
      if (view.stat(target) === undefined) view.write(target, '');
    }
  }

  #writable(path: string, follow: boolean): Place {
    const place = this.#resolve(path, follow);
    if (place.readOnly) throw new FakeFileError('EROFS', path);
    return place;
  }

  #resolve(path: string, follow: boolean): Place {
    let left = path.split('/');
    let place = this.#locate('');
    let links = 0;
    for (let part = left.shift(); part !== undefined; part = left.shift()) {
      if (part === '' || part === '.') continue;
      const { path: here } = place;
      place = this.#locate(part === '..' ? here.slice(0, Math.max(0, here.lastIndexOf('/'))) : `${here}/${part}`);
      const { linkTarget } = place.volume.stat(place.inside) ?? {};
      if (linkTarget === undefined || (left.length === 0 && !follow)) continue;
      links += 1;
      if (links > MAX_LINKS) throw new FakeFileError('ELOOP', path);
      left = [...linkTarget.split('/'), ...left];
      place = this.#locate(linkTarget.startsWith('/') ? '' : here);
    }
    return place;
  }

  #locate(path: string): Place {
    const plain = path === '/' ? '' : path;
    const mount = this.#mounts.findLast(({ target }) => plain === target || plain.startsWith(`${target}/`));
    if (mount === undefined) throw new FakeFileError('ENOENT', path);
    return { ...mount, path: plain, inside: plain.slice(mount.target.length + 1) };
  }
}
