import { join } from 'node:path';
import { ImageStore, pullImage, type StoredImage, unpackImage } from '@zlayer/oci-pull';
import type { Cancellable, Platform, PullOptions } from '@zlayer/runtime-core';

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
    const { auth: credentials, onProgress, ...others } = options;
    const { insecureRegistries } = this.#options;
    const store = await this.#open();
    const image = await pullImage(reference, { ...others, store, credentials, insecureRegistries, onProgress });
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
