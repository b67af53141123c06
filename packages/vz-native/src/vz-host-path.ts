import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isExecutable } from '@zlayer/host';
import { ZlayerError } from '@zlayer/runtime-core';

/** The same from src (in tests) and from dist: both lie in the package's folder. */
const NATIVE = fileURLToPath(new URL('../native', import.meta.url));

/**
 * Where this package keeps `vz-host`.
 *
 * @throws ZlayerError `UNAVAILABLE` where there is none, with the reason.
 */
export function vzHostPath(platform: NodeJS.Platform = process.platform, folder: string = NATIVE): string {
  if (platform !== 'darwin') {
    throw new ZlayerError('UNAVAILABLE', `Virtualization.framework is a part of macOS, and this is ${platform}`, {
      remedy: 'Use @zlayer/qemu here.',
    });
  }
  // One that was built here comes first, as node-gyp-build does it with the addon.
  const paths = ['build/Release/vz-host', `prebuilds/darwin-${process.arch}/vz-host`].map((path) => join(folder, path));
  const found = paths.find(isExecutable);
  if (found !== undefined) return found;
  throw new ZlayerError('UNAVAILABLE', `vz-host is missing: there is neither ${paths.join(' nor ')}`, {
    subject: paths[0],
    remedy: 'Install @zlayer/vz-native again; in a checkout, build it (pnpm --filter @zlayer/vz-native build).',
  });
}

/** The property list of what `vz-host` has to be allowed. */
export const entitlementsPath = (): string => join(NATIVE, 'vz-host.entitlements');
