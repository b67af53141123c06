import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ImageStore, pullAndUnpack, pullToErofs, verifyStore } from '../src/index.ts';
import { pushLayout, type RegistryServer, startRegistry, writeImageLayout } from '../src/testing/index.ts';
import { manyLayers } from './hard-images.ts';
import { treeSnapshot } from './tree-snapshot.ts';

const run = promisify(execFile);
const platform = { os: 'linux', architecture: 'amd64' };
const program = fileURLToPath(new URL('crash-process.ts', import.meta.url));

let directory: string;
let registry: RegistryServer;
let reference: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-power-cut-'));
  registry = await startRegistry();
  reference = `${registry.host}/power:1`;
  const layout = join(directory, 'layout');
  await writeImageLayout(layout, { name: 'a', images: [{ architecture: 'amd64', layers: manyLayers() }] });
  await pushLayout(layout, 'a', reference);
});

afterAll(async () => {
  await registry?.close();
  await rm(directory, { recursive: true, force: true });
});

async function mounted(disk: string): Promise<AsyncDisposable & { path: string }> {
  const path = `${disk}.mnt`;
  await mkdir(path);
  await run('mount', ['-o', 'loop', disk, path]);
  return { path, [Symbol.asyncDispose]: async () => void (await run('umount', [path])) };
}

/** Runs in a machine that, to all appearances, was started anew. */
async function pullInAnotherBoot(...parameters: string[]): Promise<void> {
  const boot = join(directory, 'boot_id');
  await writeFile(boot, '01234567-89ab-cdef-0123-456789abcdef\n');
  const script = 'mount --bind "$1" /proc/sys/kernel/random/boot_id; shift; exec "$@"';
  await run('unshare', ['--mount', 'sh', '-ec', script, 'sh', boot, process.execPath, program, ...parameters], {
    timeout: 60_000,
  });
}

test.each(['erofs', 'directory'] as const)('an image that the disk never got is pulled again (%s)', async (target) => {
  const disk = join(directory, `${target}.ext4`);
  await using file = await open(disk, 'wx');
  await file.truncate(256 * 1024 ** 2);
  await run('mkfs.ext4', ['-q', disk]);
  let expected: string;
  const after = `${disk}.after`;
  const whatThereIs = (root: string, hex: string) => {
    try {
      if (target === 'erofs') return readFileSync(join(root, `store/erofs/v2/sha256/${hex}.erofs`)).toString('latin1');
      return [...treeSnapshot(join(root, `unpacked/sha256/${hex}/rootfs`)).values()].join('\n');
    } catch (error) {
      return String(error);
    }
  };
  let digest: string;
  {
    await using before = await mounted(disk);
    const store = await ImageStore.open(join(before.path, 'store'));
    const options = { store, platform, directory: join(before.path, 'unpacked') };
    const { image } = await (target === 'erofs' ? pullToErofs : pullAndUnpack)(reference, options);
    digest = image.digest.slice('sha256:'.length);
    expected = whatThereIs(before.path, digest);
    // What the device has at this moment is what a power cut leaves.
    await copyFile(disk, after);
  }
  await using found = await mounted(after);
  expect(whatThereIs(found.path, digest)).not.toBe(expected);

  await pullInAnotherBoot(target, join(found.path, 'store'), reference, join(found.path, 'unpacked'));
  expect(whatThereIs(found.path, digest)).toBe(expected);
  const store = await ImageStore.open(join(found.path, 'store'));
  expect(await verifyStore(store)).toMatchObject({ damaged: [], missing: [], damagedErofsImages: [] });
});
