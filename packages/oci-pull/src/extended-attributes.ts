import { messageOf, systemErrorCode } from './errors.ts';
import type { Xattrs } from './tar-entry.ts';

type SetXattr = (path: string, name: string, value: Uint8Array) => void;

let loaded: Promise<SetXattr | undefined> | undefined;

/** Node.js has no call for it. The binding is prebuilt for some platforms; on others attributes are lost. */
export function loadSetXattr(): Promise<SetXattr | undefined> {
  loaded ??= import('@napi-rs/xattr').then(
    ({ setAttributeSync }) => setAttributeSync,
    () => undefined,
  );
  return loaded;
}

/**
 * Sets attributes of a file, or of a symlink itself.
 *
 * @returns How many could not be set: some only root may set, and not every file system has all of them.
 */
export function applyXattrs(setXattr: SetXattr | undefined, path: string | Buffer, xattrs: Xattrs): number {
  const text = textOf(path);
  if (setXattr === undefined || text === undefined) return xattrs.size;
  let lost = 0;
  for (const [name, value] of xattrs) {
    try {
      setXattr(text, name, value);
    } catch (error) {
      if (isDiskFailure(error)) throw error;
      lost++;
    }
  }
  return lost;
}

/** The binding takes texts alone, so a name that is no UTF-8 cannot be passed on. */
function textOf(path: string | Buffer): string | undefined {
  const text = String(path);
  return typeof path === 'string' || Buffer.from(text).equals(path) ? text : undefined;
}

/** The binding tells errors of the system in its messages only. 5 is EIO, 30 EROFS. */
function isDiskFailure(error: unknown): boolean {
  return systemErrorCode(error) === undefined || /\(os error (5|30)\)/.test(messageOf(error));
}
