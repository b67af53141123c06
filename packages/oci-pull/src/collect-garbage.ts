import { readFile, rename, stat, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Digest, isDigest, splitDigest } from './digest.ts';
import { erofsDirectory } from './erofs-image.ts';
import { systemErrorCode } from './errors.ts';
import type { ImageStore } from './image-store.ts';
import { leasedDigests, storeLock } from './leases.ts';
import { removeAbandonedDrafts, withLockFile } from './lock-file.ts';
import { maximumManifestSize } from './manifest.ts';
import { readPins } from './pins.ts';
import { removeTree } from './remove-tree.ts';
import { abandonedStagingPaths, listDirectory, newStagingPath } from './staging.ts';
import { listBlobs, listErofsImages } from './verify-store.ts';

export interface GarbageOptions {
  /** Digests of manifests that containers use. They are kept, with all that belongs to them. Default: none. */
  inUse?: readonly Digest[] | undefined;
  /** Directories of unpacked images (`directory` of `unpackImage`). Default: none, so that none is removed. */
  unpackedDirectories?: readonly string[] | undefined;
  signal?: AbortSignal | undefined;
}

export interface CollectedGarbage {
  /** Bytes of blobs, half-fetched blobs and EROFS images; unpacked directories are not counted. */
  readonly bytes: number;
  readonly blobs: number;
  readonly erofsImages: number;
  readonly unpackedDirectories: number;
}

/**
 * Removes what no recorded image, no pin, no lease of a living process and nothing in `inUse` needs: blobs, what broken pulls
 * left, EROFS images and unpacked directories. Pulls may run at the same time, in any process.
 */
export async function collectGarbage(store: ImageStore, options: GarbageOptions = {}): Promise<CollectedGarbage> {
  const { inUse = [], unpackedDirectories = [], signal } = options;
  const collector = new Collector(store);
  const bases = unpackedDirectories.map((directory) => resolve(directory));
  // Under the lock no lease begins and no image is recorded, so what is found to be garbage stays garbage.
  const discarded = await withLockFile(
    storeLock(store.directory),
    async () => {
      const kept = await collector.mark(inUse);
      await collector.sweepBlobs(kept);
      await collector.sweepPartialBlobs(kept);
      await collector.sweepErofsImages(kept);
      return (await Promise.all(bases.map((base) => collector.sweepUnpacked(base, kept)))).flat();
    },
    signal,
  );
  for (const tree of discarded) await removeTree(tree);
  await collector.removeAbandoned([...bases, join(store.directory, 'erofs')]);
  await collector.removeDrafts(bases);
  return collector.collected;
}

class Collector {
  readonly collected = { bytes: 0, blobs: 0, erofsImages: 0, unpackedDirectories: 0 };
  readonly #store: ImageStore;

  constructor(store: ImageStore) {
    this.#store = store;
  }

  /** Everything that can be reached from the index, pins, leases and containers. */
  async mark(inUse: readonly Digest[]): Promise<Set<Digest>> {
    const { directory } = this.#store;
    const waiting = [
      ...inUse,
      ...(await leasedDigests(directory)),
      ...(await readPins(directory)).flatMap(({ digests }) => digests),
      ...(await readDigests(join(directory, 'index.json'))),
    ];
    const kept = new Set<Digest>();
    for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
      if (kept.has(digest)) continue;
      kept.add(digest);
      waiting.push(...(await readDigests(this.#store.blobPath(digest))));
    }
    return kept;
  }

  async sweepBlobs(kept: ReadonlySet<Digest>): Promise<void> {
    for (const digest of await listBlobs(this.#store)) {
      if (!kept.has(digest) && (await this.#remove(this.#store.blobPath(digest)))) this.collected.blobs++;
    }
  }

  async sweepPartialBlobs(kept: ReadonlySet<Digest>): Promise<void> {
    const directory = join(this.#store.directory, 'partial');
    const hexes = new Set([...kept].map((digest) => splitDigest(digest).hex));
    for (const name of await listDirectory(directory)) {
      // Whoever holds a lock here also holds a lease of the blob, or will find the file gone and begin anew.
      if (/^[0-9a-f]+$/.test(name) && !hexes.has(name)) await this.#remove(join(directory, name));
    }
  }

  async sweepErofsImages(kept: ReadonlySet<Digest>): Promise<void> {
    for (const { digest, path } of await listErofsImages(this.#store)) {
      if (!kept.has(digest) && (await this.#remove(path))) this.collected.erofsImages++;
    }
  }

  /** Moves directories out of sight; removing them takes too long to keep others waiting. */
  async sweepUnpacked(base: string, kept: ReadonlySet<Digest>): Promise<string[]> {
    const moved: string[] = [];
    for (const algorithm of ['sha256', 'sha512']) {
      for (const hex of await listDirectory(join(base, algorithm))) {
        const digest = `${algorithm}:${hex}`;
        if (!isDigest(digest) || kept.has(digest)) continue;
        const aside = await newStagingPath(join(base, 'staging'));
        await rename(join(base, algorithm, hex), aside);
        moved.push(aside);
        this.collected.unpackedDirectories++;
      }
    }
    return moved;
  }

  async removeAbandoned(bases: readonly string[]): Promise<void> {
    for (const base of bases) {
      for (const path of await abandonedStagingPaths(join(base, 'staging'))) await removeTree(path);
    }
  }

  /** Of locks, which lie beside what they are for. */
  async removeDrafts(bases: readonly string[]): Promise<void> {
    const { directory } = this.#store;
    for (const path of [directory, join(directory, 'partial')]) await removeAbandonedDrafts(path);
    for (const base of [...bases, erofsDirectory(directory)]) {
      for (const algorithm of ['sha256', 'sha512']) await removeAbandonedDrafts(join(base, algorithm));
    }
  }

  async #remove(path: string): Promise<boolean> {
    try {
      const { size } = await stat(path);
      await unlink(path);
      this.collected.bytes += size;
      return true;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }
}

/** Every digest in a JSON document, whatever it is for: an index, a manifest, or a kind that is not known yet. */
async function readDigests(path: string): Promise<Digest[]> {
  try {
    const { size } = await stat(path);
    if (size > maximumManifestSize) return [];
    const text = await readFile(path, 'utf8');
    if (!/^\s*\{/.test(text)) return [];
    return [...text.matchAll(/"(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"/g)].flatMap(([, digest = '']) =>
      isDigest(digest) ? [digest] : [],
    );
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
