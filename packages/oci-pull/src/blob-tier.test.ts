import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BlobTier } from './blob-tier.ts';
import { type CopyOptions, copyImage } from './copy-image.ts';
import { splitDigest } from './digest.ts';
import { ImageStore } from './image-store.ts';
import { LayoutSource } from './layout-source.ts';
import type { StoredImage } from './stored-image.ts';
import { writeImageLayout } from './testing/image-layout.ts';
import { unpackImage, unpackLayers } from './unpack-image.ts';
import { verifyStore } from './verify-store.ts';

/** A tier on a disk that several stores share. */
class DirectoryTier implements BlobTier {
  readonly #directory: string;
  opened = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  path({ digest }: Parameters<BlobTier['has']>[0]): string {
    return join(this.#directory, splitDigest(digest).hex);
  }

  async has(descriptor: Parameters<BlobTier['has']>[0]): Promise<boolean> {
    return existsSync(this.path(descriptor));
  }

  async open(...[descriptor, { offset = 0 }]: Parameters<BlobTier['open']>) {
    this.opened++;
    return { start: offset, content: createReadStream(this.path(descriptor), { start: offset }) };
  }

  async put(descriptor: Parameters<BlobTier['has']>[0], content: AsyncIterable<Uint8Array>): Promise<void> {
    await writeFile(this.path(descriptor), content);
  }
}

let directory: string;
let tier: DirectoryTier;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'zlayer-tier-'));
  tier = new DirectoryTier(mkdtempSync(join(directory, 'tier-')));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const layers = [{ content: [{ path: 'a', content: 'a'.repeat(5000) }] }, { content: [{ path: 'b' }] }];

async function copyWith(
  tiers: readonly BlobTier[],
  more: Partial<CopyOptions> = {},
): Promise<{ image: StoredImage; store: ImageStore }> {
  const layout = join(directory, 'layout');
  if (!existsSync(layout)) await writeImageLayout(layout, { name: 'a', images: [{ architecture: 'amd64', layers }] });
  const store = await ImageStore.open(mkdtempSync(join(directory, 'store-')));
  const platform = { os: 'linux', architecture: 'amd64' };
  const options = { store, name: 'a', origin: 'example.com/a:1', platform, tiers, ...more };
  return { image: await copyImage(new LayoutSource(layout, 'a'), options), store };
}

test('a layer that was fetched once comes from the tier, and not from the origin again', async () => {
  const { image } = await copyWith([tier]);
  expect(tier.opened).toBe(0);
  for (const layer of image.layers) rmSync(join(directory, 'layout', 'blobs', 'sha256', splitDigest(layer.digest).hex));
  const { store } = await copyWith([tier]);
  expect(tier.opened).toBe(2);
  expect(await verifyStore(store)).toMatchObject({ damaged: [], missing: [] });
});

test.each(['wrong', 'short', 'failing'])('a tier that is %s is passed over', async (fault) => {
  const { image } = await copyWith([tier]);
  for (const layer of image.layers) {
    const content = readFileSync(tier.path(layer));
    writeFileSync(tier.path(layer), fault === 'short' ? content.subarray(1) : Buffer.alloc(content.length));
  }
  if (fault === 'failing') {
    tier.open = async () => {
      throw new Error('the disk is gone');
    };
  }
  const { store } = await copyWith([tier]);
  expect(await verifyStore(store)).toMatchObject({ damaged: [], missing: [] });
  expect(readdirSync(join(store.directory, 'partial'))).toEqual([]);
});

test('wrong bytes of a tier that were unpacked already are unpacked anew from the origin, and the fault is told', async () => {
  const { image } = await copyWith([tier]);
  for (const layer of image.layers) writeFileSync(tier.path(layer), Buffer.alloc(layer.size));
  const faults: string[] = [];
  const unpacked = join(directory, 'unpacked');
  const { store } = await copyWith([tier], {
    onProgress: (event) => event.type === 'fault' && faults.push(event.place),
    readLayers: async (arriving, open, signal) => {
      await unpackLayers(arriving, open, { directory: unpacked, signal });
    },
  });
  expect(faults).toContain('tier');
  expect(await verifyStore(store)).toMatchObject({ damaged: [], missing: [] });
  const { rootfs, existed } = await unpackImage(image, { store, directory: unpacked });
  expect(existed).toBe(true);
  expect(readFileSync(join(rootfs, 'a'), 'utf8')).toBe('a'.repeat(5000));
});
