import type { FakeContainer } from './fake-container.ts';
import type { FakeImage } from './fake-image.ts';
import { FakeImageStore } from './fake-image-store.ts';
import { MemoryVolume } from './fake-volume.ts';

/**
 * What a fake runtime keeps, as others keep a data directory: images, named volumes, containers. Runtimes that are given
 * the same state behave like programs over the same directory, one after the other or at once.
 */
export class FakeState {
  readonly #volumes = new Map<string, MemoryVolume>();
  #images: FakeImageStore | undefined;
  /** Ids of all containers. @internal */
  readonly names = new Set<string>();
  /** Containers whose runtime was closed. @internal */
  readonly left = new Set<FakeContainer>();

  /** The store, which the first runtime fills. @internal */
  images(registry: Readonly<Record<string, FakeImage>>): FakeImageStore {
    this.#images ??= new FakeImageStore(registry);
    return this.#images;
  }

  /** The volume of this name; it is made when there is none. @internal */
  volume(name: string): MemoryVolume {
    const volume = this.#volumes.get(name) ?? new MemoryVolume();
    this.#volumes.set(name, volume);
    return volume;
  }
}
