import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '@zlayer/runtime-core';
import { ZlayerError } from '@zlayer/runtime-core';
import { defaultCacheDir } from '../cache-dir.ts';
import { withExclusiveLock } from '../exclusive-lock.ts';
import { AptRoot, type PackageRecord } from './apt-root.ts';

export interface DebianPackageOptions {
  readonly architecture: Architecture;
  /** Default: `defaultCacheDir()`. */
  readonly cacheDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what is being done, one line at a time. Silent when everything is there. */
  readonly onProgress?: ((line: string) => void) | undefined;
}

/** A package whose files lie unpacked in a folder. */
export interface DebianPackage extends PackageRecord {
  /** Holds the package's files at their paths. Shared with other users of the cache: not to be changed. */
  readonly root: string;
}

/**
 * Brings a Debian package into the cache, for any architecture, and returns where its files are. One that is there
 * already is used as it is, without a look at Debian. Its dependencies are not fetched.
 *
 * @throws {ZlayerError} `INVALID_SPEC` for what is no package name; `UNAVAILABLE` without apt or on another system than
 * Debian; `NOT_FOUND` for an unknown package; `NETWORK` when the mirror cannot be reached.
 */
export async function debianPackage(name: string, options: DebianPackageOptions): Promise<DebianPackage> {
  if (!/^[a-z0-9][a-z0-9+.-]+$/.test(name)) {
    throw new ZlayerError('INVALID_SPEC', `"${name}" is no name of a Debian package`, { subject: name });
  }
  const folder = join(debianFolder(options), name);
  const cached = await readCached(folder);
  if (cached !== undefined) return cached;
  return withDebian(options, async (debian) => {
    // Another process may have been faster while this one waited.
    const meanwhile = await readCached(folder);
    if (meanwhile !== undefined) return meanwhile;
    const record = await debian.show(name);
    await debian.unpackInto(folder, record, async (staging) => {
      await writeFile(join(staging, RECORD), JSON.stringify(record));
    });
    return { ...record, root: join(folder, ROOT) };
  });
}

/** Debian's repositories for one architecture, while the cache's lock is held. */
export interface Debian {
  /** @throws {ZlayerError} `NOT_FOUND` when there is no such package. */
  show(name: string): Promise<PackageRecord>;
  /**
   * Unpacks a package into `root` of a staging folder, lets `finish` complete that folder, and makes it visible at
   * `folder` in one step, replacing what is there. Nothing is left behind on failure.
   */
  unpackInto(folder: string, record: PackageRecord, finish: (staging: string) => Promise<void>): Promise<void>;
}

/** Runs `work` with an up-to-date view of Debian's packages; one process per cache folder and architecture at a time. */
export async function withDebian<T>(options: DebianPackageOptions, work: (debian: Debian) => Promise<T>): Promise<T> {
  const folder = debianFolder(options);
  await mkdir(folder, { recursive: true });
  return withExclusiveLock(
    join(folder, '.lock'),
    async () => {
      const apt = await AptRoot.open(join(folder, '.apt'), options.architecture, options.signal);
      options.onProgress?.(`reading Debian's package lists for ${options.architecture}`);
      await apt.update().catch(asNetworkError);
      return work({
        show: (name) => apt.show(name),
        unpackInto: (target, record, finish) => unpackInto(apt, target, record, finish, options.onProgress),
      });
    },
    options.signal,
  );
}

const ROOT = 'root';
const RECORD = 'package.json';

function debianFolder(options: DebianPackageOptions): string {
  return join(options.cacheDir ?? defaultCacheDir(), 'debian', options.architecture);
}

async function readCached(folder: string): Promise<DebianPackage | undefined> {
  try {
    const record = JSON.parse(await readFile(join(folder, RECORD), 'utf8')) as PackageRecord;
    return { ...record, root: join(folder, ROOT) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function unpackInto(
  apt: AptRoot,
  folder: string,
  record: PackageRecord,
  finish: (staging: string) => Promise<void>,
  onProgress: ((line: string) => void) | undefined,
): Promise<void> {
  await mkdir(join(folder, '..'), { recursive: true });
  const staging = await mkdtemp(`${folder}.partial-`);
  try {
    onProgress?.(`fetching the Debian package ${record.name} ${record.version}`);
    const download = join(staging, 'download');
    await mkdir(download);
    await apt.unpack(record, download, join(staging, ROOT)).catch(asNetworkError);
    await rm(download, { recursive: true });
    await finish(staging);
    await rm(folder, { recursive: true, force: true });
    await rename(staging, folder);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** apt's failures to fetch, told apart from all others by its own words. */
function asNetworkError(cause: unknown): never {
  if (
    cause instanceof ZlayerError &&
    cause.code === 'INTERNAL' &&
    /Failed to fetch|Unable to fetch/i.test(cause.message)
  ) {
    throw new ZlayerError('NETWORK', `Debian's mirror did not deliver: ${cause.message}`, {
      remedy: 'check the network, the proxy in the environment, and the mirror in the apt sources',
      cause,
    });
  }
  throw cause;
}
