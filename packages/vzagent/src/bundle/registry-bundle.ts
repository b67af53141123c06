import { createHash, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  collectGarbage,
  type Digest,
  ImageStore,
  isDigest,
  type PullProgress,
  pullArtifact,
  type RegistryOptions,
  type StoredArtifact,
  verifyStore,
} from '@zlayer/oci-pull';
import { type Architecture, isZlayerError, ZlayerError } from '@zlayer/runtime-core';
import { ARTIFACT_TYPE, bundleReference, LAYER_TYPE } from './bundle-artifact.ts';
import { extractBundle, refused } from './extract-bundle.ts';
import { noteUse, removeOldBundles } from './old-bundles.ts';
import { type Bundle, openBundle } from './open-bundle.ts';

export interface RegistryBundleOptions {
  readonly architecture: Architecture;
  readonly cacheDir: string;
  readonly registry?: RegistryOptions | undefined;
  /** Milliseconds. */
  readonly freshFor: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((line: string) => void) | undefined;
}

const MOST_LAYERS = 8;
const MOST_BYTES = 256 * 1024 ** 2;

/**
 * Brings a bundle from a registry into the cache, or finds it there. The registry is asked what the name means when it
 * was not asked for some time; only another digest is fetched. Bundles lie in folders of their digests and appear
 * whole, so any number of processes may do this at once.
 *
 * @returns the bundle, and a warning when the registry did not answer and the cached one is used.
 * @throws {ZlayerError} `PULL_FAILED` for what is no bundle for this architecture; `NETWORK` or `TIMEOUT` when there is
 * neither a registry nor a cached bundle; what `pullArtifact` throws.
 */
export async function registryBundle(
  name: string,
  options: RegistryBundleOptions,
): Promise<{ bundle: Bundle; warnings: string[] }> {
  const { architecture, signal } = options;
  const reference = bundleReference(name, architecture);
  const cache = new BundleCache(join(options.cacheDir, 'bundles'), reference, architecture);
  const known = await cache.read();
  if (
    known !== undefined &&
    (reference.endsWith(`@${known.digest}`) || Date.now() - known.checkedAt < options.freshFor)
  ) {
    return { bundle: known.bundle, warnings: [] };
  }
  try {
    const { bundle, digest } = await fetchBundle(reference, cache, options);
    await cache.write(digest);
    return { bundle, warnings: digest === known?.digest ? [] : await cache.tidy(signal) };
  } catch (error) {
    signal?.throwIfAborted();
    if (known === undefined || !isUnreachable(error)) throw error;
    const age = describeAge(Date.now() - known.checkedAt);
    const reason = error instanceof Error ? error.message : String(error);
    return {
      bundle: known.bundle,
      warnings: [`the bundle ${reference} from the cache is used, as its registry had it ${age} ago: ${reason}`],
    };
  }
}

async function fetchBundle(
  reference: string,
  cache: BundleCache,
  options: RegistryBundleOptions,
): Promise<{ bundle: Bundle; digest: Digest }> {
  const { signal } = options;
  const artifact = await pull(reference, cache, options);
  try {
    return { bundle: await cache.install(artifact, signal), digest: artifact.digest };
  } catch (error) {
    signal?.throwIfAborted();
    // Blobs are verified when they arrive; what was damaged on the disk since is fetched once more.
    if (!isZlayerError(error) || error.code !== 'PULL_FAILED' || !(await cache.dropDamaged(signal))) throw error;
    const again = await pull(reference, cache, options);
    return { bundle: await cache.install(again, signal), digest: again.digest };
  }
}

function isUnreachable(error: unknown): boolean {
  return isZlayerError(error) && (error.code === 'NETWORK' || error.code === 'TIMEOUT');
}

function describeAge(milliseconds: number): string {
  const units = [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
    ['second', 1000],
  ] as const;
  const [name, length] = units.find((unit) => milliseconds >= unit[1]) ?? ['second', 1000];
  const count = Math.floor(milliseconds / length);
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

async function pull(reference: string, cache: BundleCache, options: RegistryBundleOptions): Promise<StoredArtifact> {
  const { architecture, registry, signal, onProgress } = options;
  const tooLarge = new AbortController();
  const told = new Set<string>();
  const watch = (progress: PullProgress) => {
    if (progress.type === 'resolved' && progress.total > MOST_BYTES) {
      tooLarge.abort(refused(reference, `it has ${progress.total} bytes, more than ${MOST_BYTES}`));
    }
    if (progress.type !== 'blob' || progress.state !== 'downloading' || told.size > 0) return;
    told.add(reference);
    onProgress?.(`fetching the bundle ${reference}`);
  };
  const artifact = await pullArtifact(reference, {
    ...registry,
    store: await ImageStore.open(join(cache.folder, 'store')),
    platform: { os: 'linux', architecture },
    policy: 'always',
    source: 'registry',
    signal: signal === undefined ? tooLarge.signal : AbortSignal.any([signal, tooLarge.signal]),
    onProgress: watch,
  });
  const { artifactType, layers } = artifact;
  if (artifactType !== ARTIFACT_TYPE) throw refused(reference, `it is an artifact of type ${artifactType}`);
  const other = layers.find(({ mediaType }) => mediaType !== LAYER_TYPE);
  if (other !== undefined) throw refused(reference, `a layer is of type ${other.mediaType}`);
  if (layers.length > MOST_LAYERS) throw refused(reference, `it has ${layers.length} layers`);
  return artifact;
}

interface KnownBundle {
  readonly bundle: Bundle;
  readonly digest: Digest;
  /** When the registry last said that the name means it, in milliseconds since 1970. */
  readonly checkedAt: number;
}

/** What is cached of one reference. */
class BundleCache {
  readonly folder: string;
  readonly #reference: string;
  readonly #architecture: Architecture;
  readonly #record: string;

  constructor(folder: string, reference: string, architecture: Architecture) {
    this.folder = folder;
    this.#reference = reference;
    this.#architecture = architecture;
    const key = createHash('sha256').update(`${architecture} ${reference}`).digest('hex').slice(0, 32);
    this.#record = join(folder, 'references', `${key}.json`);
  }

  /** The bundle that the reference meant when it was last asked for; nothing when it is not there whole. */
  async read(): Promise<KnownBundle | undefined> {
    try {
      const record: unknown = JSON.parse(await readFile(this.#record, 'utf8'));
      if (typeof record !== 'object' || record === null) return undefined;
      const { digest, checkedAt } = record as { digest?: unknown; checkedAt?: unknown };
      if (!isDigestText(digest) || typeof checkedAt !== 'number') return undefined;
      const place = this.#place(digest);
      await noteUse(place);
      const bundle = await openBundle(place, this.#architecture);
      // A clock that was set back must not keep a bundle fresh for years.
      return { bundle, digest, checkedAt: Math.min(checkedAt, Date.now()) };
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  async write(digest: Digest): Promise<void> {
    await mkdir(join(this.folder, 'references'), { recursive: true });
    const staged = `${this.#record}.${randomUUID()}.partial`;
    try {
      await writeFile(staged, JSON.stringify({ reference: this.#reference, digest, checkedAt: Date.now() }));
      await rename(staged, this.#record);
    } finally {
      await rm(staged, { force: true });
    }
  }

  async install(artifact: StoredArtifact, signal: AbortSignal | undefined): Promise<Bundle> {
    const place = this.#place(artifact.digest);
    await noteUse(place);
    const present = await openBundle(place, this.#architecture).catch((error: unknown) => {
      if (isAbsent(error)) return undefined;
      throw error;
    });
    if (present !== undefined) return present;
    const store = await ImageStore.open(join(this.folder, 'store'));
    await using _ = await store.lease(
      artifact.layers.map(({ digest }) => digest),
      signal,
    );
    await mkdir(join(place, '..'), { recursive: true });
    const staged = await mkdtemp(`${place}.partial-`);
    try {
      const layers = artifact.layers.map(
        ({ digest }) =>
          () =>
            store.openBlob(digest),
      );
      await extractBundle(layers, staged, this.#reference, signal);
      const { architecture } = (await openBundle(staged)).manifest;
      if (architecture !== this.#architecture) throw refused(this.#reference, `it is for ${architecture}`);
      await rename(staged, place).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
        // Another process was faster, or somebody damaged what was there.
        if (await isWhole(place, this.#architecture)) return;
        await rm(place, { recursive: true, force: true });
        await rename(staged, place);
      });
    } finally {
      await rm(staged, { recursive: true, force: true });
    }
    return openBundle(place, this.#architecture);
  }

  /** @returns whether there was anything to drop. */
  async dropDamaged(signal: AbortSignal | undefined): Promise<boolean> {
    const store = await ImageStore.open(join(this.folder, 'store'));
    return (await verifyStore(store, { quarantine: true, signal })).damaged.length > 0;
  }

  /**
   * Removes older bundles that nobody uses, and what was fetched for them.
   *
   * @returns a warning when that is not possible: no reason not to boot.
   */
  async tidy(signal: AbortSignal | undefined): Promise<string[]> {
    try {
      await removeOldBundles(join(this.folder, this.#architecture));
      await collectGarbage(await ImageStore.open(join(this.folder, 'store')), { signal });
      return [];
    } catch (error) {
      signal?.throwIfAborted();
      return [`old bundles stay in ${this.folder}: ${error instanceof Error ? error.message : String(error)}`];
    }
  }

  #place(digest: Digest): string {
    return join(this.folder, this.#architecture, digest.replace(':', '-'));
  }
}

function isDigestText(value: unknown): value is Digest {
  return typeof value === 'string' && isDigest(value);
}

/** Missing, or not what it was: it is fetched again. */
function isAbsent(error: unknown): boolean {
  if (error instanceof SyntaxError) return true;
  if (error instanceof ZlayerError) return error.code === 'NOT_FOUND' || error.code === 'INVALID_SPEC';
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

async function isWhole(folder: string, architecture: Architecture): Promise<boolean> {
  return openBundle(folder, architecture).then(
    () => true,
    (error: unknown) => {
      if (isAbsent(error)) return false;
      throw error;
    },
  );
}
