import { InvalidSpecError, ZlayerError } from '../errors.ts';
import type { ImageDetails, ImageSummary, PruneReport, PulledImage, PullOptions } from '../images.ts';
import { ARCHITECTURES, formatPlatform, OPERATING_SYSTEMS, type Platform, parsePlatform } from '../platform.ts';
import type { FakeImage } from './fake-image.ts';
import { digestOf, readImageArchive, writeImageArchive } from './fake-image-archive.ts';

/** An image that was pulled. */
export interface StoredFakeImage {
  image: FakeImage;
  summary: PulledImage & { createdAt: Date };
}

const PLATFORMS: readonly Platform[] = OPERATING_SYSTEMS.flatMap((os) =>
  ARCHITECTURES.map((architecture) => ({ os, architecture })),
);

/** A registry and a local store in one: what can be pulled, and what was. */
export class FakeImageStore {
  readonly #registry: Map<string, FakeImage>;
  readonly #local = new Map<string, StoredFakeImage>();
  /** Pulled, and known by no name any more. */
  readonly #unnamed = new Set<StoredFakeImage>();

  constructor(registry: Readonly<Record<string, FakeImage>>) {
    this.#registry = new Map(Object.entries(registry));
  }

  pull(reference: string, options: PullOptions = {}): StoredFakeImage {
    const { policy = 'ifNotPresent', platform = parsePlatform(process.arch), onProgress, signal } = options;
    signal?.throwIfAborted();
    const local = this.#local.get(reference);
    const remote = this.#registry.get(reference);
    const suits = local !== undefined && formatPlatform(local.summary.platform) === formatPlatform(platform);
    if (suits && (policy === 'never' || policy === 'ifNotPresent' || (policy === 'newer' && !remote))) return local;
    if (policy === 'never' || remote === undefined) throw notFound(reference);
    const summary = {
      reference,
      digest: digestOf(manifestOf(remote, platform)),
      platform,
      size: sizeOf(remote),
      createdAt: new Date(),
    };
    onProgress?.({ type: 'resolved', digest: summary.digest, total: summary.size });
    const blob = { type: 'blob', digest: summary.digest, bytes: summary.size, total: summary.size } as const;
    onProgress?.({ ...blob, state: local?.summary.digest === summary.digest ? 'exists' : 'done' });
    const stored = { image: remote, summary };
    this.#name(reference, stored);
    return stored;
  }

  list(): ImageSummary[] {
    return [...this.#local.values()].map(({ summary }) => ({ ...summary }));
  }

  get(reference: string): StoredFakeImage {
    const found = this.#local.get(reference);
    if (found === undefined) throw notFound(reference);
    return found;
  }

  details(reference: string): ImageDetails {
    const { image, summary } = this.get(reference);
    return {
      ...summary,
      entrypoint: image.entrypoint ?? [],
      command: image.command ?? [],
      env: image.env ?? [],
      workdir: image.workdir ?? '',
      user: image.user ?? '',
      stopSignal: image.stopSignal,
      labels: image.labels ?? {},
      layers: [{ digest: summary.digest, size: summary.size }],
    };
  }

  remove(reference: string): void {
    this.get(reference);
    this.#local.delete(reference);
  }

  tag(reference: string, name: string): void {
    const { image, summary } = this.get(reference);
    this.#name(name, { image, summary: { ...summary, reference: name } });
  }

  /** Puts an image where it can be pulled from. */
  push(reference: string): void {
    this.#registry.set(reference, this.get(reference).image);
  }

  save(references: readonly string[]): Buffer {
    const images = references.map((reference) => {
      const { image, summary } = this.get(reference);
      const blobs = [manifestOf(image, summary.platform), configOf(image, summary.platform)];
      return { reference, digest: summary.digest, blobs };
    });
    return writeImageArchive(images);
  }

  /** Programs are functions and cannot be in an archive: it has to be of images that this runtime could pull or has. */
  load(archive: Uint8Array): string[] {
    const known = [...this.#registry.values(), ...[...this.#local.values()].map(({ image }) => image)];
    const loaded = readImageArchive(archive).map(({ reference, digest }) => {
      for (const image of known) {
        const platform = PLATFORMS.find((each) => digestOf(manifestOf(image, each)) === digest);
        if (platform)
          return { image, summary: { reference, digest, platform, size: sizeOf(image), createdAt: new Date() } };
      }
      throw new InvalidSpecError(`the image ${reference} of the archive is none that this runtime knows`, {
        subject: reference,
        remedy: 'Give it to the FakeRuntime among its images.',
      });
    });
    for (const stored of loaded) this.#name(stored.summary.reference, stored);
    return loaded.map(({ summary }) => summary.reference);
  }

  prune(inUse: (stored: StoredFakeImage) => boolean): PruneReport {
    const removed: string[] = [];
    let reclaimed = 0;
    for (const stored of this.#unnamed) {
      if (inUse(stored)) continue;
      this.#unnamed.delete(stored);
      removed.push(stored.summary.digest);
      reclaimed += stored.summary.size;
    }
    return { removed, reclaimed };
  }

  /** The name leaves the image that had it. */
  #name(name: string, stored: StoredFakeImage): void {
    const former = this.#local.get(name);
    this.#local.set(name, stored);
    const { digest } = stored.summary;
    for (const other of this.#unnamed) if (other.summary.digest === digest) this.#unnamed.delete(other);
    if (former === undefined || former.summary.digest === digest) return;
    const named = [...this.#local.values()].some(({ summary }) => summary.digest === former.summary.digest);
    if (!named) this.#unnamed.add(former);
  }
}

function notFound(reference: string): ZlayerError {
  return new ZlayerError('NOT_FOUND', `there is no image ${reference}`, {
    subject: reference,
    remedy: 'Give it to the FakeRuntime among its images.',
  });
}

/** What an image says about itself. */
function configOf(image: FakeImage, { os, architecture }: Platform): string {
  const { entrypoint, command, env, workdir, user, stopSignal, labels } = image;
  const config = {
    Entrypoint: entrypoint,
    Cmd: command,
    Env: env,
    WorkingDir: workdir,
    User: user,
    StopSignal: stopSignal,
    Labels: labels,
  };
  const { files = {}, users, groups } = image;
  const contents = { programs: Object.keys(image.programs), files: Object.entries(files), users, groups };
  return JSON.stringify({ os, architecture, config, contents });
}

/** Made of all that an image says, so that equal images have equal digests. */
function manifestOf(image: FakeImage, platform: Platform): string {
  const config = configOf(image, platform);
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: digestOf(config),
      size: Buffer.byteLength(config),
    },
    layers: [],
  });
}

function sizeOf(image: FakeImage): number {
  return Buffer.byteLength(configOf(image, parsePlatform(process.arch)));
}
