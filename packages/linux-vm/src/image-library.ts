import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  collectGarbage,
  type Digest,
  erofsImage,
  exportArchive,
  findImage,
  type ImageRecord,
  ImageStore,
  importArchive,
  isDigest,
  OciError,
  pullAndUnpack,
  pullToErofs,
  pushImage,
  type StoredImage,
  unpackImage,
} from '@zlayer/oci-pull';
import {
  type Cancellable,
  type ImageDetails,
  type ImageSummary,
  InvalidSpecError,
  isZlayerError,
  NotFoundError,
  type Platform,
  type PruneReport,
  type PullOptions,
  type PushOptions,
  parsePlatform,
  type RootfsType,
} from '@zlayer/runtime-core';

export interface ImageLibraryOptions {
  /** Holds the store (`images/`) and the root file systems of the type `virtiofs` (`rootfs/`). */
  directory: string;
  /** Registries that are spoken to over plain HTTP; loopback addresses always are. */
  insecureRegistries?: readonly string[] | undefined;
}

/** The images of one data directory. */
export class ImageLibrary {
  readonly #options: ImageLibraryOptions;
  #store: Promise<ImageStore> | undefined;

  constructor(options: ImageLibraryOptions) {
    this.#options = options;
  }

  /** Makes an image ready: its blobs are in the store, and its root file system is made. */
  async pull(
    reference: string,
    options: PullOptions & { platform: Platform; rootfs?: RootfsType | undefined },
  ): Promise<StoredImage> {
    const { auth: credentials, onProgress, policy, source, platform, rootfs = 'erofs', signal } = options;
    const { insecureRegistries } = this.#options;
    const store = await this.#open();
    let isUnpacking = false;
    // Layers are laid out while they arrive.
    const { image } = await (rootfs === 'erofs' ? pullToErofs : pullAndUnpack)(reference, {
      ...{ store, platform, policy, source, signal, credentials, insecureRegistries, directory: this.#unpacked },
      onProgress: (progress) => {
        if (progress.type !== 'layer') return onProgress?.(progress);
        if (!isUnpacking) onProgress?.({ type: 'unpacking', digest: progress.digest });
        isUnpacking = true;
      },
    });
    return image;
  }

  /** The image as one read-only block image, shared by all its containers. */
  async rootImage(image: StoredImage, { signal }: Cancellable): Promise<string> {
    return (await erofsImage(image, { store: await this.#open(), signal })).path;
  }

  /** The directory with an image's root file system, shared by all its containers, and read-only to them. */
  async rootDirectory(image: StoredImage, { signal }: Cancellable): Promise<string> {
    const { rootfs } = await unpackImage(image, { store: await this.#open(), directory: this.#unpacked, signal });
    return rootfs;
  }

  /** @throws ZlayerError `NOT_FOUND` when the store does not have it whole. */
  async get(reference: string, platform?: Platform): Promise<StoredImage> {
    const store = await this.#open();
    const wanted = platform === undefined ? await this.#platformsOf(reference) : [platform];
    for (const each of wanted) {
      const image = await findImage(store, reference, each);
      if (image !== undefined) return image;
    }
    throw unknownImage(reference);
  }

  /** The image that a container was made of, by the digest of its manifest. */
  async byDigest(reference: string, digest: string, platform: Platform): Promise<StoredImage> {
    const found = await findImage(await this.#open(), reference, platform);
    if (found?.digest === digest) return found;
    const record = (await this.#records()).find((each) => each.digest === digest);
    const image = record && (await findImage(await this.#open(), record.name, platform));
    if (image?.digest === digest) return image;
    throw new NotFoundError(`the image ${reference} is not in the store any more as ${digest}`, {
      subject: reference,
      remedy: 'Remove the container and create it anew.',
    });
  }

  async list(): Promise<ImageSummary[]> {
    const summaries: ImageSummary[] = [];
    for (const record of await this.#records()) {
      const image = await findImage(await this.#open(), record.name, record.platform);
      if (image !== undefined && image.digest === record.digest) summaries.push(await this.#summaryOf(image));
    }
    return summaries;
  }

  async inspect(reference: string, platform?: Platform): Promise<ImageDetails> {
    const image = await this.get(reference, platform);
    const { entrypoint, cmd, env, workingDir, user, stopSignal, labels } = image.config;
    return {
      ...(await this.#summaryOf(image)),
      ...{ entrypoint, command: cmd, env, workdir: workingDir, user, stopSignal, labels },
      layers: image.layers.map(({ digest, size }) => ({ digest, size })),
    };
  }

  /** The full reference that a name is, and the manifest digests that it stands for, on any platform. */
  async meaningOf(reference: string): Promise<{ reference: string; digests: ReadonlySet<string> }> {
    const store = await this.#open();
    const found = (await this.#platformsOf(reference)).map((platform) => findImage(store, reference, platform));
    const images = (await Promise.all(found)).filter((image) => image !== undefined);
    const [first] = images;
    if (first === undefined) throw unknownImage(reference);
    return { reference: first.reference, digests: new Set(images.map(({ digest }) => digest)) };
  }

  async remove(reference: string): Promise<void> {
    if ((await (await this.#open()).remove(reference)).length === 0) throw unknownImage(reference);
  }

  async tag(reference: string, name: string): Promise<void> {
    const store = await this.#open();
    for (const platform of await this.#platformsOf(reference)) {
      const image = await findImage(store, reference, platform);
      if (image === undefined) continue;
      await store.tag(image, name);
    }
    await this.get(reference);
  }

  async prune(inUse: readonly string[], { signal }: Cancellable): Promise<PruneReport> {
    const before = await this.#records();
    const { bytes, blobs, erofsImages, unpackedDirectories } = await collectGarbage(await this.#open(), {
      inUse: inUse.filter((digest): digest is Digest => isDigest(digest)),
      unpackedDirectories: [this.#unpacked],
      signal,
    });
    const after = new Set((await this.#records()).map(({ digest }) => digest));
    const removed = before.map(({ digest }) => digest).filter((digest) => !after.has(digest));
    return { removed, reclaimed: blobs + erofsImages + unpackedDirectories === 0 ? 0 : bytes };
  }

  save(references: readonly string[], { signal }: Cancellable): Readable {
    const archive = async function* (this: ImageLibrary): AsyncGenerator<Uint8Array, void> {
      signal?.throwIfAborted();
      const images: StoredImage[] = [];
      for (const reference of references) images.push(await this.get(reference));
      yield* exportArchive(images, { store: await this.#open(), signal });
    };
    return Readable.from(archive.call(this), { objectMode: false });
  }

  async load(archive: AsyncIterable<Uint8Array>, { signal }: Cancellable): Promise<string[]> {
    const store = await this.#open();
    try {
      const images = await importArchive(archive, { store, platform: hostPlatform(), signal });
      return images.map(({ reference }) => reference);
    } catch (error) {
      if (!(error instanceof OciError) || error.code !== 'PULL_FAILED') throw error;
      throw new InvalidSpecError(`this is no archive of images: ${error.message}`, {
        subject: error.subject,
        remedy: 'Give what saveImages or docker save has written.',
        cause: error,
      });
    }
  }

  async push(reference: string, { auth: credentials, signal, onProgress }: PushOptions): Promise<void> {
    signal?.throwIfAborted();
    const { insecureRegistries } = this.#options;
    await this.get(reference);
    await pushImage(await this.#open(), reference, {
      ...{ credentials, insecureRegistries, signal },
      onProgress:
        onProgress &&
        (({ type, digest, bytes, total, state }) => {
          const known = state === 'uploading' ? 'downloading' : state === 'mounted' ? 'exists' : state;
          onProgress({ type, digest, bytes, total, state: known });
        }),
    });
  }

  get #unpacked(): string {
    return join(this.#options.directory, 'rootfs');
  }

  async #summaryOf(image: StoredImage): Promise<ImageSummary> {
    const { reference, digest, platform, sizes } = image;
    const stored = await stat((await this.#open()).blobPath(digest)).catch(() => undefined);
    const parsed = parsePlatform(`${platform.os}/${platform.architecture}`);
    return { reference, digest, platform: parsed, size: sizes.total, createdAt: stored?.mtime };
  }

  /** Platforms that a name is there for, the host's own first. */
  async #platformsOf(reference: string): Promise<Platform[]> {
    const store = await this.#open();
    const own = hostPlatform();
    const platforms = [own];
    for (const { platform } of await store.list()) {
      if (platform.os !== 'linux' || platform.architecture === own.architecture) continue;
      const parsed = tryPlatform(`${platform.os}/${platform.architecture}`);
      if (parsed === undefined || platforms.some(({ architecture }) => architecture === parsed.architecture)) continue;
      if ((await findImage(store, reference, parsed)) !== undefined) platforms.push(parsed);
    }
    return platforms;
  }

  async #records(): Promise<ImageRecord[]> {
    return await (await this.#open()).list();
  }

  #open(): Promise<ImageStore> {
    this.#store ??= ImageStore.open(join(this.#options.directory, 'images'));
    // A store that could not be opened is tried again: the disk may have room by then.
    this.#store.catch(() => {
      this.#store = undefined;
    });
    return this.#store;
  }
}

/** What containers run on when nothing else is asked for. */
export function hostPlatform(): Platform {
  return { os: 'linux', architecture: parsePlatform(process.arch).architecture };
}

function tryPlatform(text: string): Platform | undefined {
  try {
    return parsePlatform(text);
  } catch (error) {
    if (isZlayerError(error)) return undefined;
    throw error;
  }
}

function unknownImage(reference: string): NotFoundError {
  return new NotFoundError(`there is no image ${reference} in the store`, {
    subject: reference,
    remedy: 'Pull it first.',
  });
}
