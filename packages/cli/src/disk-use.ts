import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { diskUsage } from '@zlayer/host';

/** A named volume: what it takes of the disk, and what it can hold, in bytes. */
export interface VolumeUse {
  name: string;
  bytes: number;
  capacity: number;
}

/** What zlayer takes of the disk, in bytes. A file with holes counts as what is really stored. */
export interface DiskUse {
  /** The whole data directory. */
  total: number;
  /** Layers as they were pulled, and what describes them. */
  images: number;
  /** Unpacked images, which containers share. */
  roots: number;
  /** Directories of containers, with their logs and anonymous volumes. */
  containers: number;
  /** Of those, logs of workloads. */
  logs: number;
  volumes: VolumeUse[];
  /** Guest kernels and bundles, outside of the data directory. */
  cache: number;
}

/** Where it lies is said by the packages that put it there: `@zlayer/linux-vm`, `@zlayer/oci-pull`, `@zlayer/vzagent`. */
export async function diskUse(dataDir: string, cacheDir: string): Promise<DiskUse> {
  const [total, store, flattened, unpacked, cache] = await Promise.all(
    [dataDir, join(dataDir, 'images'), join(dataDir, 'images', 'erofs'), join(dataDir, 'rootfs'), cacheDir].map(
      diskUsage,
    ),
  );
  const containers = await containerDirectories(dataDir);
  return {
    total: total ?? 0,
    images: (store ?? 0) - (flattened ?? 0),
    roots: (flattened ?? 0) + (unpacked ?? 0),
    containers: await sum(containers),
    logs: await sum((await Promise.all(containers.map(logFiles))).flat()),
    volumes: await volumeUses(join(dataDir, 'volumes')),
    cache: cache ?? 0,
  };
}

/** `{dataDir}/{runtime}/containers/{id}`, of whatever runtimes there are. */
async function containerDirectories(dataDir: string): Promise<string[]> {
  const found = (await names(dataDir)).map(async (runtime) => {
    const directory = join(dataDir, runtime, 'containers');
    return (await names(directory)).map((name) => join(directory, name));
  });
  return (await Promise.all(found)).flat();
}

/** The log and what it was rotated to. */
async function logFiles(container: string): Promise<string[]> {
  return (await names(container))
    .filter((name) => /^container\.log(\.\d+)?$/.test(name))
    .map((n) => join(container, n));
}

async function volumeUses(directory: string): Promise<VolumeUse[]> {
  const uses = (await names(directory)).map(async (name) => {
    const disk = await stat(join(directory, name, 'disk.ext4')).catch(() => undefined);
    const bytes = await diskUsage(join(directory, name));
    return disk === undefined ? [] : [{ name, bytes, capacity: disk.size }];
  });
  return (await Promise.all(uses)).flat();
}

async function sum(paths: readonly string[]): Promise<number> {
  const sizes = await Promise.all(paths.map(diskUsage));
  return sizes.reduce((whole, size) => whole + size, 0);
}

/** None where there is no such directory. */
async function names(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(() => [])).sort();
}
