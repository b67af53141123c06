import { copyFile, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Architecture } from '@zlayer/runtime-core';
import { ZlayerError } from '@zlayer/runtime-core';
import { type DebianPackageOptions, withDebian } from '../debian/debian-packages.ts';
import { collectModules, type ModuleSet } from './modules.ts';

/** Counts changes of what is kept of a kernel package; part of its place in the cache. */
const KEPT_VERSION = 4;

const PACKAGE = 'package.json';

/** A kernel in the cache: its image and the modules that a guest may need. */
export interface CachedKernel {
  readonly folder: string;
  readonly version: string;
}

/** The package that a cached kernel came in. */
export interface KernelPackage {
  readonly name: string;
  readonly version: string;
}

/** The image of a cached kernel. */
export function kernelImage(kernel: CachedKernel): string {
  return join(kernel.folder, 'vmlinuz');
}

/** The cached kernel that guests of this architecture use, if there is one. */
export async function cachedKernel(cacheDir: string, architecture: Architecture): Promise<CachedKernel | undefined> {
  const link = currentLink(cacheDir, architecture);
  const version = await readlink(link).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return version === undefined ? undefined : { folder: join(link, '..', version), version };
}

/**
 * Fetches Debian's current cloud kernel into the cache and makes it the one that guests use. What else is in the package
 * (some hundred megabytes of modules) is not kept.
 */
export async function fetchDebianKernel(cacheDir: string, options: DebianPackageOptions): Promise<CachedKernel> {
  return withDebian({ ...options, cacheDir }, async (debian) => {
    const meanwhile = await cachedKernel(cacheDir, options.architecture);
    if (meanwhile !== undefined) return meanwhile;
    const name = await versionedPackage(debian.show, options.architecture);
    const version = name.replace(/^linux-image-/, '');
    const link = currentLink(cacheDir, options.architecture);
    const folder = join(link, '..', version);
    const record = await debian.show(name);
    await debian.unpackInto(folder, record, async (staging) => {
      await keepWhatGuestsNeed(staging, version);
      const { name, version: packageVersion } = record;
      await writeFile(join(staging, PACKAGE), JSON.stringify({ name, version: packageVersion }));
    });
    await pointTo(link, version);
    return { folder, version };
  });
}

/** The package that a cached kernel came in. */
export async function kernelPackage(kernel: CachedKernel): Promise<KernelPackage> {
  return JSON.parse(await readFile(join(kernel.folder, PACKAGE), 'utf8')) as KernelPackage;
}

/** Reads back the modules of a cached kernel. */
export function readKernelModules(kernel: CachedKernel): Promise<ModuleSet> {
  return collectModules(join(kernel.folder, 'modules'));
}

function currentLink(cacheDir: string, architecture: Architecture): string {
  return join(cacheDir, 'kernels', `v${KEPT_VERSION}`, architecture, 'current');
}

async function versionedPackage(
  show: (name: string) => Promise<{ depends: readonly string[] }>,
  architecture: Architecture,
): Promise<string> {
  const meta = `linux-image-cloud-${architecture}`;
  const name = (await show(meta)).depends.find((dependency) => dependency.startsWith('linux-image-'));
  if (name !== undefined) return name;
  throw new ZlayerError('NOT_FOUND', `Debian's package ${meta} leads to no kernel`, { subject: meta });
}

async function keepWhatGuestsNeed(staging: string, version: string): Promise<void> {
  const root = join(staging, 'root');
  await copyFile(join(root, 'boot', `vmlinuz-${version}`), join(staging, 'vmlinuz'));
  const tree = join(root, await moduleTree(root, version));
  const kept = join(staging, 'modules');
  await mkdir(join(kept, 'kernel'), { recursive: true });
  await copyFile(join(tree, 'modules.builtin'), join(kept, 'modules.builtin'));
  const { files } = await collectModules(tree);
  for (const [name, content] of files) await writeFile(join(kept, 'kernel', basename(name)), content);
  await rm(root, { recursive: true });
}

/** Debian moved modules below `usr` in later releases. */
async function moduleTree(root: string, version: string): Promise<string> {
  const top = await readdir(root);
  return join(top.includes('lib') ? 'lib' : 'usr/lib', 'modules', version);
}

async function pointTo(link: string, target: string): Promise<void> {
  const fresh = `${link}.${process.pid}`;
  await rm(fresh, { force: true });
  await symlink(target, fresh);
  await rename(fresh, link);
}
