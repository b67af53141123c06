import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { fileError } from './file-error.ts';

/**
 * Replaces a file as a whole: whoever reads it finds the old content or the new, also after a crash.
 *
 * @param options.mode Permissions of the file. Default: 0600.
 * @throws ZlayerError `INTERNAL`; the old content is still there then.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: { mode?: number } = {},
): Promise<void> {
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    {
      await using file = await open(temporary, 'wx', options.mode ?? 0o600);
      await file.writeFile(data);
      await file.sync();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fileError('cannot write', path, error);
  }
}
