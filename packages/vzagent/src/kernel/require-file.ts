import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { ZlayerError } from '@zlayer/runtime-core';

/**
 * @param name what names the path: a variable or an option.
 * @throws {ZlayerError} `NOT_FOUND` when the path is no regular file that can be read.
 */
export async function requireFile(path: string, name: string): Promise<void> {
  try {
    if (!(await stat(path)).isFile()) throw new Error('it is no regular file');
    await access(path, constants.R_OK);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ZlayerError('NOT_FOUND', `${name} names ${path}, which cannot be used: ${reason}`, {
      subject: path,
      remedy: `correct ${name} or unset it`,
      cause,
    });
  }
}
