import { accessSync, constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ZlayerError } from '@zlayer/runtime-core';

/**
 * Where this package keeps `vz-host`.
 *
 * @throws ZlayerError `UNAVAILABLE` where there is none, with the reason.
 */
export function vzHostPath(platform: NodeJS.Platform = process.platform): string {
  if (platform !== 'darwin') {
    throw new ZlayerError('UNAVAILABLE', `Virtualization.framework is a part of macOS, and this is ${platform}`, {
      remedy: 'Use @zlayer/qemu here.',
    });
  }
  // The same from src (in tests) and from dist: both lie in the package's folder. One that was built here comes first.
  const places = ['../dist/native/vz-host', `../prebuilds/darwin-${process.arch}/vz-host`];
  const paths = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const found = paths.find(isExecutable);
  if (found !== undefined) return found;
  throw new ZlayerError('UNAVAILABLE', `vz-host is missing: there is neither ${paths.join(' nor ')}`, {
    subject: paths[0],
    remedy: 'Install the Xcode command line tools (xcode-select --install) and build the package @zlayer/vz-native.',
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The property list of what `vz-host` has to be allowed. */
export const entitlementsPath = (): string => fileURLToPath(new URL('../native/vz-host.entitlements', import.meta.url));
