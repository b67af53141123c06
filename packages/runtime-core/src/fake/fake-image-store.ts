import { createHash } from 'node:crypto';
import { ZlayerError } from '../errors.ts';
import type { ImageDetails, ImageSummary, PruneReport, PulledImage, PullOptions } from '../images.ts';
import { formatPlatform, type Platform, parsePlatform } from '../platform.ts';
import type { FakeImage } from './fake-image.ts';

/** An image that was pulled. */
export interface StoredFakeImage {
  image: FakeImage;
  summary: PulledImage & { createdAt: Date };
}

/** A registry and a local store in one: what can be pulled, and what was. */
export class FakeImageStore {
  readonly #registry: Readonly<Record<string, FakeImage>>;
  readonly #local = new Map<string, StoredFakeImage>();
  /** Pulled, and known by no name any more. */
  readonly #unnamed = new Set<StoredFakeImage>();

  constructor(registry: Readonly<Record<string, FakeImage>>) {
    this.#registry = registry;
  }

  pull(reference: string, options: PullOptions = {}): StoredFakeImage {
    const { policy = 'ifNotPresent', platform = parsePlatform(process.arch), onProgress, signal } = options;
    signal?.throwIfAborted();
    const local = this.#local.get(reference);
    const remote = Object.hasOwn(this.#registry, reference) ? this.#registry[reference] : undefined;
    const suits = local !== undefined && formatPlatform(local.summary.platform) === formatPlatform(platform);
    if (suits && (policy === 'never' || policy === 'ifNotPresent' || (policy === 'newer' && !remote))) return local;
    if (policy === 'never' || remote === undefined) throw notFound(reference);
    const summary = {
      reference,
      digest: digestOf(remote, platform),
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

/** Made of all that an image says, so that equal images have equal digests. */
function digestOf(image: FakeImage, platform: Platform): string {
  const text = JSON.stringify([image, Object.keys(image.programs), formatPlatform(platform)]);
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

function sizeOf(image: FakeImage): number {
  return Buffer.byteLength(JSON.stringify([image, Object.keys(image.programs)]));
}
