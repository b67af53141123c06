import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Architecture, ZlayerError } from '@zlayer/runtime-core';
import {
  BUNDLE_FILES,
  type BundleFile,
  type BundleManifest,
  LARGEST_MANIFEST,
  MANIFEST_FILE,
  parseBundleManifest,
} from './bundle-manifest.ts';

/** A folder with a kernel, an initramfs, a volume template, and a manifest that says what they are. */
export interface Bundle {
  readonly folder: string;
  readonly manifest: BundleManifest;
  /** Paths of its files. */
  readonly files: Readonly<Record<BundleFile, string>>;
}

export const BUNDLE_FILE_KINDS = Object.keys(BUNDLE_FILES) as BundleFile[];

/**
 * Reads a bundle's manifest, and checks that its files are there with their sizes. Their digests are compared where a
 * bundle comes from elsewhere, not at each start of a guest.
 *
 * @throws {ZlayerError} `NOT_FOUND` when a file is missing; `INVALID_SPEC` when one is not as the manifest says.
 */
export async function openBundle(folder: string, architecture?: Architecture): Promise<Bundle> {
  const path = join(folder, MANIFEST_FILE);
  await requireFile(path, undefined, LARGEST_MANIFEST);
  const manifest = parseBundleManifest(await readFile(path), path);
  if (architecture !== undefined && manifest.architecture !== architecture) {
    const fault = `is for ${manifest.architecture}, not for ${architecture}`;
    throw new ZlayerError('INVALID_SPEC', `the bundle ${folder} ${fault}`, { subject: folder });
  }
  const files = {
    kernel: join(folder, BUNDLE_FILES.kernel),
    initramfs: join(folder, BUNDLE_FILES.initramfs),
    volumeTemplate: join(folder, BUNDLE_FILES.volumeTemplate),
  };
  for (const kind of BUNDLE_FILE_KINDS) {
    const { size } = manifest.files[kind];
    await requireFile(files[kind], size, size);
  }
  return { folder, manifest, files };
}

/** @throws {ZlayerError} `INVALID_SPEC` when a file's content is not what the manifest says. */
export async function verifyBundle({ manifest, files }: Bundle, signal?: AbortSignal): Promise<void> {
  for (const kind of BUNDLE_FILE_KINDS) {
    const hash = createHash('sha256');
    await pipeline(createReadStream(files[kind]), hash, { signal });
    if (hash.digest('hex') !== manifest.files[kind].sha256) throw mismatch(files[kind], 'another digest');
  }
}

export function mismatch(path: string, what: string): ZlayerError {
  return new ZlayerError('INVALID_SPEC', `${path} has ${what} than its bundle's manifest says`, {
    subject: path,
    remedy: 'build the bundle anew, or fetch it again',
  });
}

async function requireFile(path: string, exactly: number | undefined, most: number): Promise<void> {
  const found = await lstat(path).catch((cause: unknown) => {
    throw new ZlayerError('NOT_FOUND', `the bundle has no ${path}`, { subject: path, cause });
  });
  if (!found.isFile()) throw new ZlayerError('INVALID_SPEC', `${path} is no regular file`, { subject: path });
  if (found.size > most || (exactly !== undefined && found.size !== exactly)) throw mismatch(path, 'another size');
}
