import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { diskUse } from './disk-use.ts';

const KIB = 1024;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-disk-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function put(path: string, bytes: number): Promise<void> {
  await mkdir(dirname(join(directory, path)), { recursive: true });
  await writeFile(join(directory, path), Buffer.alloc(bytes, 1));
}

it('tells images, unpacked roots, containers, logs and volumes apart, and counts what is stored', async () => {
  await put('data/images/blobs/sha256/a', 100 * KIB);
  await put('data/images/erofs/v2/sha256/b.erofs', 300 * KIB);
  await put('data/rootfs/c/rootfs/file', 50 * KIB);
  await put('data/qemu/containers/web-0/container.json', KIB);
  await put('data/qemu/containers/web-0/container.log', 20 * KIB);
  await put('data/qemu/containers/web-0/container.log.1', 40 * KIB);
  await put('data/vz-linux/containers/db-0/console.log', 8 * KIB);
  await put('data/volumes/pg/disk.ext4', 64 * KIB);
  await truncate(join(directory, 'data/volumes/pg/disk.ext4'), 64 * 1024 ** 3);
  await put('cache/kernels/vmlinuz', 40 * KIB);
  const use = await diskUse(join(directory, 'data'), join(directory, 'cache'));
  // A file system adds a block here and there, for directories.
  const kib = (bytes: number): number => Math.floor(bytes / KIB / 20) * 20;
  expect(kib(use.images)).toBe(100);
  expect(kib(use.roots)).toBe(360);
  expect(kib(use.containers)).toBe(80);
  expect(use.logs).toBe(60 * KIB);
  expect(use.volumes).toMatchObject([{ name: 'pg', capacity: 64 * 1024 ** 3 }]);
  expect(kib(use.volumes[0]?.bytes ?? 0)).toBe(60);
  expect(kib(use.cache)).toBe(40);
  expect(use.total).toBeGreaterThan(use.images + use.roots + use.containers);
});

it('is nothing where nothing is', async () => {
  const nothing = { total: 0, images: 0, roots: 0, containers: 0, logs: 0, volumes: [], cache: 0 };
  expect(await diskUse(join(directory, 'none'), join(directory, 'no cache'))).toEqual(nothing);
});
