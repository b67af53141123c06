import { stat } from 'node:fs/promises';
import type { Architecture } from '@zlayer/runtime-core';
import { packagePath } from '../package-folder.ts';
import { type Bundle, openBundle } from './open-bundle.ts';

/**
 * The bundle that ships with this package. A repository holds no binaries: there is none in a checkout, until
 * `pnpm bundle` has made it.
 *
 * @throws {ZlayerError} `NOT_FOUND` or `INVALID_SPEC` when it is there and damaged.
 */
export async function packagedBundle(architecture: Architecture): Promise<Bundle | undefined> {
  const folder = packagePath(`bundle/${architecture}`);
  const isThere = await stat(folder).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
  return isThere ? openBundle(folder, architecture) : undefined;
}
