import { isZlayerError, ZlayerError } from '@zlayer/runtime-core';
import { agentVersion } from '../agent.ts';
import { localVolumeTemplate } from '../bundle/local-volume-template.ts';
import { type Bundle, openBundle } from '../bundle/open-bundle.ts';
import { packagedBundle } from '../bundle/packaged-bundle.ts';
import { registryBundle } from '../bundle/registry-bundle.ts';
import { defaultCacheDir } from '../cache-dir.ts';
import { debianGuest } from './debian-guest.ts';
import { environmentBundle, environmentGuest } from './environment-guest.ts';
import type { Guest, GuestFiles, ResolveGuestOptions } from './guest-options.ts';
import { requireFile } from './require-file.ts';

const FRESH_FOR_MS = 60 * 60 * 1000;

/**
 * Finds a kernel and an initramfs for a guest. The first of these that is there is used:
 *
 * 1. the option `guest`;
 * 2. `ZLAYER_VZ_LINUX_KERNEL` and `ZLAYER_VZ_LINUX_INITRD`;
 * 3. the bundle in a registry that the option `bundle` or `ZLAYER_VZ_LINUX_BUNDLE` names;
 * 4. the bundle that ships with this package;
 * 5. Debian's cloud kernel, from the cache or else from Debian, with the agent of this package.
 *
 * Something that was named and cannot be used is an error; nothing else is used in its place.
 *
 * @throws {ZlayerError} `INVALID_SPEC` or `NOT_FOUND` for wrong names; `UNAVAILABLE`, naming every way, when there is
 * nothing; `NETWORK` or `TIMEOUT` when nothing is cached and a registry or Debian's mirror does not answer;
 * `PULL_FAILED` for a bundle that is none.
 */
export async function resolveGuest(options: ResolveGuestOptions): Promise<Guest> {
  const { architecture, signal, onProgress } = options;
  signal?.throwIfAborted();
  const env = options.env ?? process.env;
  const cacheDir = options.cacheDir ?? defaultCacheDir(env);

  if (options.guest !== undefined) return namedGuest(options.guest, cacheDir, options);
  const named = await environmentGuest(env);
  if (named !== undefined) return filesGuest('environment', named, cacheDir, options);

  const reference = options.bundle ?? environmentBundle(env);
  if (reference !== undefined) {
    const { registry, bundleFreshFor: freshFor = FRESH_FOR_MS } = options;
    const found = await registryBundle(reference, { architecture, cacheDir, registry, freshFor, signal, onProgress });
    return bundleGuest('registry', found.bundle, found.warnings);
  }
  const packaged = await packagedBundle(architecture);
  if (packaged !== undefined) return bundleGuest('package', packaged);

  const { kernel, initramfs, version } = await debianGuest(cacheDir, { ...options, cacheDir }).catch(asNothingFound);
  return {
    architecture,
    kernel,
    initramfs,
    volumeTemplate: await localVolumeTemplate(cacheDir, signal),
    kernelVersion: version,
    agentVersion: await agentVersion(),
    source: 'debian',
    warnings: [],
  };
}

async function namedGuest(named: GuestFiles, cacheDir: string, options: ResolveGuestOptions): Promise<Guest> {
  if ('folder' in named) return bundleGuest('option', await openBundle(named.folder, options.architecture));
  await requireFile(named.kernel, 'the option guest.kernel');
  await requireFile(named.initramfs, 'the option guest.initramfs');
  if (named.volumeTemplate !== undefined) await requireFile(named.volumeTemplate, 'the option guest.volumeTemplate');
  return filesGuest('option', named, cacheDir, options);
}

async function filesGuest(
  source: 'option' | 'environment',
  files: { kernel: string; initramfs: string; volumeTemplate?: string | undefined },
  cacheDir: string,
  { architecture, signal }: ResolveGuestOptions,
): Promise<Guest> {
  const { kernel, initramfs } = files;
  const volumeTemplate = files.volumeTemplate ?? (await localVolumeTemplate(cacheDir, signal));
  const unknown = { kernelVersion: undefined, agentVersion: undefined };
  return { architecture, kernel, initramfs, volumeTemplate, ...unknown, source, warnings: [] };
}

function bundleGuest(source: Guest['source'], { manifest, files }: Bundle, warnings: readonly string[] = []): Guest {
  const { architecture, kernelVersion, agentVersion } = manifest;
  return { architecture, ...files, kernelVersion, agentVersion, source, warnings };
}

function asNothingFound(cause: unknown): never {
  if (!isZlayerError(cause) || cause.code !== 'UNAVAILABLE') throw cause;
  throw new ZlayerError('UNAVAILABLE', `there is nothing to boot a guest from: ${cause.message}`, {
    subject: cause.subject,
    remedy: [
      'set ZLAYER_VZ_LINUX_KERNEL and ZLAYER_VZ_LINUX_INITRD',
      'name a bundle in a registry by ZLAYER_VZ_LINUX_BUNDLE',
      'pass the option guest or bundle',
      'install @zlayer/vzagent with a bundle in it',
      `or use Debian's kernel: ${cause.remedy ?? 'run this on Debian'}`,
    ].join('; '),
    cause,
  });
}
