import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Architecture, ZlayerError } from '@zlayer/runtime-core';
import { agentVersion, readAgent } from '../agent.ts';
import { defaultCacheDir } from '../cache-dir.ts';
import { writeGuestInitramfs } from '../initramfs/guest-initramfs.ts';
import {
  cachedKernel,
  fetchDebianKernel,
  kernelImage,
  kernelPackage,
  readKernelModules,
} from '../kernel/debian-kernel.ts';
import { runCommand } from '../run-command.ts';
import { BUNDLE_FILES, type BundleManifest, formatBundleManifest, MANIFEST_FILE } from './bundle-manifest.ts';
import { makeVolumeTemplate } from './make-volume-template.ts';
import { type Bundle, openBundle } from './open-bundle.ts';

export interface BuildBundleOptions {
  readonly architecture: Architecture;
  /** The folder to make. There must be none. */
  readonly folder: string;
  /** Where Debian's kernel is looked for and put. Default: `defaultCacheDir()`. */
  readonly cacheDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((line: string) => void) | undefined;
}

/**
 * Makes a bundle of Debian's cloud kernel, this package's agent and this machine's e2fsprogs. Any machine can do it for
 * any architecture; the same inputs, which the manifest names, give the same bytes. The folder appears whole or not at
 * all.
 *
 * @throws {ZlayerError} `ALREADY_EXISTS` when the folder is there; `UNAVAILABLE` on another system than Debian, without
 * e2fsprogs, and when this package was not built; `NETWORK` when the mirror cannot be reached.
 */
export async function buildBundle(options: BuildBundleOptions): Promise<Bundle> {
  const { architecture, folder, signal, onProgress } = options;
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  await requireAbsent(folder);
  const agent = await readAgent(architecture);
  const kernel = (await cachedKernel(cacheDir, architecture)) ?? (await fetchDebianKernel(cacheDir, options));
  const source = await kernelPackage(kernel);
  const modules = await readKernelModules(kernel);
  onProgress?.(`packing ${kernel.version}`);
  const contents = {
    kernel: await readFile(kernelImage(kernel)),
    initramfs: writeGuestInitramfs(agent.bytes, modules),
    volumeTemplate: await makeVolumeTemplate(signal),
  };
  const manifest: BundleManifest = {
    formatVersion: 1,
    architecture,
    kernelVersion: kernel.version,
    agentVersion: await agentVersion(),
    agentSha256: agent.sha256,
    modules: [...modules.files.keys()].sort(),
    inputs: {
      kernel: { package: source.name, version: source.version },
      volumeTemplate: { package: 'e2fsprogs', version: await installedVersion('e2fsprogs', signal) },
    },
    files: {
      kernel: describe(contents.kernel),
      initramfs: describe(contents.initramfs),
      volumeTemplate: describe(contents.volumeTemplate),
    },
  };
  const staged = `${folder}.${randomUUID()}.partial`;
  await mkdir(staged, { recursive: true });
  try {
    for (const kind of ['kernel', 'initramfs', 'volumeTemplate'] as const) {
      signal?.throwIfAborted();
      await writeSynced(join(staged, BUNDLE_FILES[kind]), contents[kind]);
    }
    await writeSynced(join(staged, MANIFEST_FILE), Buffer.from(formatBundleManifest(manifest)));
    await requireAbsent(folder);
    await rename(staged, folder);
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
  return openBundle(folder, architecture);
}

function describe(content: Uint8Array): { size: number; sha256: string } {
  return { size: content.length, sha256: createHash('sha256').update(content).digest('hex') };
}

async function writeSynced(path: string, content: Uint8Array): Promise<void> {
  await using file = await open(path, 'wx', 0o644);
  await file.writeFile(content);
  await file.sync();
}

async function installedVersion(name: string, signal: AbortSignal | undefined): Promise<string> {
  const remedy = 'build bundles on Debian';
  const line = await runCommand('dpkg-query', ['--show', name], { remedy, signal });
  return line.trim().split('\t')[1] ?? 'unknown';
}

async function requireAbsent(folder: string): Promise<void> {
  const found = await stat(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });
  if (found === undefined) return;
  throw new ZlayerError('ALREADY_EXISTS', `${folder} is there already`, {
    subject: folder,
    remedy: 'remove it, or name another folder',
  });
}
