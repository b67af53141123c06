import { join } from 'node:path';
import { ImageStore, pullImage, type StoredImage, unpackImage } from '@zlayer/oci-pull';
import { type Cancellable, isZlayerError, type Platform, type PullOptions } from '@zlayer/runtime-core';

export interface ImageLibraryOptions {
  /** Holds the store (`images/`) and the root file systems (`rootfs/`). */
  directory: string;
  /** Registries that are spoken to over plain HTTP; loopback addresses always are. */
  insecureRegistries?: readonly string[] | undefined;
}

/** The images of one data directory: a store of blobs, and root file systems by manifest digest. */
export class ImageLibrary {
  readonly #options: ImageLibraryOptions;
  #store: Promise<ImageStore> | undefined;

  constructor(options: ImageLibraryOptions) {
    this.#options = options;
  }

  /** Makes an image ready: its blobs are in the store, and its root file system is laid out. */
  async pull(reference: string, options: PullOptions & { platform: Platform }): Promise<StoredImage> {
    const { auth: credentials, onProgress, policy, ...others } = options;
    const { insecureRegistries } = this.#options;
    const store = await this.#open();
    const pull = (from: 'always' | 'ifNotPresent' | 'never' | undefined): Promise<StoredImage> =>
      pullImage(reference, { ...others, policy: from, store, credentials, insecureRegistries, onProgress });
    const image = policy === 'newer' ? await newest(pull) : await pull(policy);
    onProgress?.({ type: 'unpacking', digest: image.digest });
    await this.rootfs(image, options);
    return image;
  }

  /** The directory with an image's root file system. It is shared by all containers of the image, and read-only to them. */
  async rootfs(image: StoredImage, { signal }: Cancellable): Promise<string> {
    const directory = join(this.#options.directory, 'rootfs');
    const { rootfs } = await unpackImage(image, { store: await this.#open(), directory, signal });
    return rootfs;
  }

  #open(): Promise<ImageStore> {
    this.#store ??= ImageStore.open(join(this.#options.directory, 'images'));
    return this.#store;
  }
}

/** Asks the registry, and does with the image that is there when the registry cannot be reached. */
async function newest(pull: (policy: 'always' | 'never') => Promise<StoredImage>): Promise<StoredImage> {
  try {
    return await pull('always');
  } catch (error) {
    if (!isZlayerError(error) || !['NETWORK', 'TIMEOUT'].includes(error.code)) throw error;
    return await pull('never').catch(() => {
      throw error;
    });
  }
}
