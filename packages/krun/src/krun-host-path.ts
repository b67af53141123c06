import { fileURLToPath } from 'node:url';
import { isExecutable } from '@zlayer/host';
import { ZlayerError } from '@zlayer/runtime-core';

/** Where this package keeps `krun-host`. @throws ZlayerError `UNAVAILABLE` if it was not built. */
export function krunHostPath(): string {
  // The same from src (in tests) and from dist: both lie in the package's folder.
  const path = fileURLToPath(new URL('../dist/native/krun-host', import.meta.url));
  if (isExecutable(path)) return path;
  throw new ZlayerError('UNAVAILABLE', `krun-host is missing at ${path}`, {
    subject: path,
    remedy: 'Install @zlayer/krun again; in a checkout, install a C compiler and build the package.',
  });
}
