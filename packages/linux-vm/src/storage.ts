import { mkdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { VmDisk, VmShare } from '@zlayer/host';
import {
  type Cancellable,
  NotFoundError,
  parseMemory,
  type StorageMount,
  UnsupportedError,
} from '@zlayer/runtime-core';
import type { StartSpec } from '@zlayer/vzagent-proto';
import { ensureVolume } from './ensure-volume.ts';
import { type AcquiredVolume, VOLUME_BYTES, type VolumeStore } from './volume-store.ts';

type Mount = StartSpec['mounts'][number];

/** What is mounted into a container. */
export interface Storage {
  disks: VmDisk[];
  shares: VmShare[];
  mounts: Mount[];
  /** To be disposed of when the machine has ended. */
  volumes: AcquiredVolume[];
}

export interface StorageOptions extends Cancellable {
  volumes: VolumeStore;
  /** The container's directory: its own volumes are kept there, and removed with it. */
  directory: string;
  /** What new volumes are made from, if there is anything. */
  volumeTemplate: string | undefined;
  isRunning(container: string): Promise<boolean>;
}

/** Gets ready what a spec mounts; nothing is held when it fails. */
export async function prepareStorage(mounts: readonly StorageMount[], options: StorageOptions): Promise<Storage> {
  const storage: Storage = { disks: [], shares: [], mounts: [], volumes: [] };
  try {
    for (const [index, mount] of mounts.entries()) {
      options.signal?.throwIfAborted();
      storage.mounts.push(await prepareMount(mount, index, storage, options));
    }
    return storage;
  } catch (error) {
    releaseVolumes(storage);
    throw error;
  }
}

export function releaseVolumes({ volumes }: Pick<Storage, 'volumes'>): void {
  for (const volume of volumes.splice(0)) volume[Symbol.dispose]();
}

async function prepareMount(
  mount: StorageMount,
  index: number,
  storage: Storage,
  options: StorageOptions,
): Promise<Mount> {
  const common = { source: '', subpath: null, target: mount.target, readonly: false, bytes: null, mode: null };
  switch (mount.type) {
    case 'tmpfs': {
      const bytes = mount.size === undefined ? null : parseMemory(mount.size);
      return { ...common, kind: 'tmpfs', bytes, mode: mount.mode };
    }
    case 'bind': {
      const { tag, subpath } = await share(mount.source, mount.readOnly, storage);
      return { ...common, kind: 'share', source: tag, subpath, readonly: mount.readOnly };
    }
    case 'named':
      return { ...common, kind: 'disk', source: await named(mount, storage, options), readonly: mount.readOnly };
    case 'anonymous':
      return { ...common, kind: 'disk', source: await anonymous(index, storage, options) };
    case 's3':
      throw new UnsupportedError('this runtime mounts no buckets', { subject: mount.bucket });
  }
}

/** A file is reached through the share of its folder, in which the container sees that file alone. */
async function share(
  source: string,
  readOnly: boolean,
  { shares }: Storage,
): Promise<{ tag: string; subpath: string | null }> {
  const info = await stat(source).catch((cause: unknown) => {
    throw new NotFoundError(`there is nothing to mount at ${source}: ${(cause as Error).message}`, {
      subject: source,
      remedy: 'Make it first, or correct the source of the mount.',
      cause,
    });
  });
  const path = info.isDirectory() ? source : dirname(source);
  let found = shares.find((each) => each.path === path && each.readOnly === readOnly);
  if (found === undefined) {
    found = { tag: `bind${shares.length}`, path, readOnly };
    shares.push(found);
  }
  return { tag: found.tag, subpath: info.isDirectory() ? null : basename(source) };
}

async function named(
  { name }: StorageMount & { type: 'named' },
  { disks, volumes }: Storage,
  { volumes: store, directory, volumeTemplate, isRunning, signal }: StorageOptions,
): Promise<string> {
  const known = disks.find(({ path }) => basename(dirname(path)) === name && basename(path) === 'disk.ext4');
  if (known !== undefined) return known.serial;
  const volume = await store.acquire(name, { container: directory, volumeTemplate, isRunning, signal });
  volumes.push(volume);
  const serial = `volume${disks.length}`;
  // Written to also where it is mounted read-only: a journal that a crash has left has to be replayed.
  disks.push({ path: volume.path, readOnly: false, serial });
  return serial;
}

async function anonymous(
  index: number,
  { disks }: Storage,
  { directory, volumeTemplate, signal }: StorageOptions,
): Promise<string> {
  const folder = join(directory, 'volumes');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${index}.ext4`);
  await ensureVolume(path, { sizeBytes: VOLUME_BYTES, template: volumeTemplate, signal });
  const serial = `volume${disks.length}`;
  disks.push({ path, readOnly: false, serial });
  return serial;
}
