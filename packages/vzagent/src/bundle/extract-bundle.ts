import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ZlayerError } from '@zlayer/runtime-core';
import { LAYER_FILES, LAYER_PATHS } from './bundle-artifact.ts';
import {
  BUNDLE_FILES,
  type BundleFile,
  LARGEST_FILES,
  LARGEST_MANIFEST,
  MANIFEST_FILE,
  parseBundleManifest,
} from './bundle-manifest.ts';
import { readBundleTar } from './bundle-tar.ts';
import { BUNDLE_FILE_KINDS } from './open-bundle.ts';

interface Written {
  size: number;
  sha256: string;
}

/**
 * Unpacks a bundle's layers into an empty folder, and compares every file with the manifest among them. Files are
 * written under their own fixed names, never under one that a layer gives; when this returns they are on the disk.
 *
 * @param layers opens each layer's compressed archive.
 * @throws {ZlayerError} `PULL_FAILED` for anything that is not exactly a bundle.
 */
export async function extractBundle(
  layers: Iterable<() => AsyncIterable<Uint8Array>>,
  folder: string,
  subject: string,
  signal?: AbortSignal,
): Promise<void> {
  const written = new Map<BundleFile | 'manifest', Written>();
  let manifest: Buffer | undefined;
  for (const openLayer of layers) {
    for await (const file of readBundleTar(gunzipped(openLayer(), subject), subject)) {
      signal?.throwIfAborted();
      const kind = LAYER_PATHS.get(file.path.replace(/^\.\//, ''));
      if (kind === undefined) throw refused(subject, `it has a file ${JSON.stringify(file.path.slice(0, 200))}`);
      if (written.has(kind)) throw refused(subject, `it has ${file.path} twice`);
      const limit = kind === 'manifest' ? LARGEST_MANIFEST : LARGEST_FILES[kind];
      if (file.size > limit) throw refused(subject, `${file.path} has ${file.size} bytes, more than ${limit}`);
      const name = kind === 'manifest' ? MANIFEST_FILE : BUNDLE_FILES[kind];
      const isPacked = kind !== 'manifest' && LAYER_FILES[kind] !== BUNDLE_FILES[kind];
      const content = isPacked ? gunzipped(file.content, subject) : file.content;
      const kept: Uint8Array[] | undefined = kind === 'manifest' ? [] : undefined;
      written.set(kind, await writeFile(join(folder, name), content, limit, subject, kept));
      if (kept !== undefined) manifest = Buffer.concat(kept);
    }
  }
  if (manifest === undefined) throw refused(subject, `it has no ${MANIFEST_FILE}`);
  const { files } = parseManifest(manifest, subject);
  for (const kind of BUNDLE_FILE_KINDS) {
    const file = written.get(kind);
    if (file === undefined) throw refused(subject, `it has no ${LAYER_FILES[kind]}`);
    if (file.size === files[kind].size && file.sha256 === files[kind].sha256) continue;
    throw refused(subject, `${LAYER_FILES[kind]} is not what its ${MANIFEST_FILE} says`);
  }
  await using directory = await open(folder, 'r');
  await directory.sync();
}

async function* gunzipped(content: AsyncIterable<Uint8Array>, subject: string): AsyncGenerator<Uint8Array> {
  const source = Readable.from(content);
  const inflated = createGunzip();
  source.on('error', (error) => inflated.destroy(error));
  try {
    yield* source.pipe(inflated);
  } catch (error) {
    if (error instanceof ZlayerError) throw error;
    throw refused(subject, 'a layer cannot be decompressed', error);
  } finally {
    source.destroy();
    inflated.destroy();
  }
}

async function writeFile(
  path: string,
  content: AsyncIterable<Uint8Array>,
  limit: number,
  subject: string,
  kept: Uint8Array[] | undefined,
): Promise<Written> {
  await using file = await open(path, 'wx', 0o644);
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of content) {
    size += chunk.length;
    if (size > limit) throw refused(subject, `${path} unpacks to more than ${limit} bytes`);
    hash.update(chunk);
    kept?.push(chunk);
    await file.writeFile(chunk);
  }
  await file.sync();
  return { size, sha256: hash.digest('hex') };
}

function parseManifest(bytes: Buffer, subject: string): ReturnType<typeof parseBundleManifest> {
  try {
    return parseBundleManifest(bytes, `${MANIFEST_FILE} of ${subject}`);
  } catch (cause) {
    throw refused(subject, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

export function refused(subject: string, fault: string, cause?: unknown): ZlayerError {
  return new ZlayerError('PULL_FAILED', `${subject} is no usable bundle: ${fault}`, {
    subject,
    remedy: 'push it again with pushBundle, or name another bundle',
    cause,
  });
}
