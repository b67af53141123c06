import type { ByteString } from './byte-string.ts';
import type { OciErrorReason } from './errors.ts';

/** Thrown for an entry that cannot be unpacked; whoever knows image, layer and entry tells them. */
export class EntryError extends Error {
  override readonly name = 'EntryError';
  readonly reason: OciErrorReason;

  constructor(reason: OciErrorReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Limits of Linux, in bytes: a name, and a path with its end. */
const maximumName = 255;
const maximumPath = 4095;

/**
 * The components of a path in an archive, from the root of the image; none for the root itself.
 * Absolute names are taken relative to the root, as every tool does.
 */
export function entryComponents(path: ByteString): ByteString[] {
  if (path.includes('\0')) throw new EntryError('UNSAFE_PATH', 'its name has a NUL byte');
  if (path.length > maximumPath) throw new EntryError('UNSAFE_PATH', `its name is longer than ${maximumPath} bytes`);
  const components = path.split('/').filter((component) => component !== '' && component !== '.');
  for (const component of components) {
    if (component === '..') throw new EntryError('UNSAFE_PATH', 'its name has a ".." in it');
    if (component.length > maximumName) {
      throw new EntryError('UNSAFE_PATH', `a part of its name is longer than ${maximumName} bytes`);
    }
  }
  return components;
}

/** Symlinks can make the real path of an entry longer than its name. */
export function checkPathLength(bytes: number): void {
  if (bytes > maximumPath) throw new EntryError('UNSAFE_PATH', `its real path is longer than ${maximumPath} bytes`);
}

/** Checks a symlink's target. It may point anywhere: only whoever follows it has to care. */
export function checkSymlinkTarget(target: ByteString): void {
  if (target === '') throw new EntryError('CORRUPT_LAYER', 'its link target is empty');
  if (target.includes('\0')) throw new EntryError('UNSAFE_PATH', 'its link target has a NUL byte');
  if (target.length > maximumPath) {
    throw new EntryError('UNSAFE_PATH', `its link target is longer than ${maximumPath} bytes`);
  }
}
