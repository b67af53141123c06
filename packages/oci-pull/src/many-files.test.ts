import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestOf } from './digest.ts';
import { flattenToErofs } from './erofs-image.ts';
import { ImageStore } from './image-store.ts';
import { describeImage, type StoredImage } from './stored-image.ts';
import { writeHeader } from './testing/tar-writer.ts';

let directory: string;
let store: ImageStore;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'zlayer-many-'));
  store = await ImageStore.open(join(directory, 'store'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const nothing = Buffer.alloc(0);

function emptyFiles(count: number): Buffer {
  const blocks = Array.from({ length: count }, (_, n) =>
    writeHeader({ mode: 0o644 }, '0', Buffer.from(`d${n % 50}/${n}`), nothing, 0),
  );
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function imageOf(archive: Buffer): StoredImage {
  const platform = { os: 'linux', architecture: 'amd64' };
  const layer = { mediaType: '', digest: digestOf(archive), size: archive.length };
  const manifest = { kind: 'manifest' as const, mediaType: '', config: layer, layers: [layer] };
  const origin = 'example.com/many:1';
  const record = { ...layer, name: 'many', origin, resolved: layer.digest, platform, source: 'registry' as const };
  const lists = { entrypoint: [], cmd: [], env: [], exposedPorts: [], volumes: [] };
  const config = { ...platform, ...lists, workingDir: '', user: '', labels: {}, diffIds: [layer.digest] };
  return describeImage(record, manifest, config);
}

async function flatten(archive: Buffer, maximumEntries: number): Promise<number> {
  const compressed = gzipSync(archive, { level: 1 });
  const open = async function* () {
    yield compressed;
  };
  const image = imageOf(archive);
  return (await flattenToErofs(image, open, { store, limits: { maximumEntries } })).size;
}

test('a hundred thousand empty files take seconds and some hundred bytes each', { timeout: 60_000 }, async () => {
  const before = process.memoryUsage().heapUsed;
  const began = performance.now();
  expect(await flatten(emptyFiles(100_000), 200_000)).toBeGreaterThan(100_000 * 32);
  expect(performance.now() - began).toBeLessThan(20_000);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(300 * 1024 * 1024);
});

test('more files than are allowed end it early', async () => {
  await expect(flatten(emptyFiles(20_000), 10_000)).rejects.toMatchObject({ reason: 'LIMIT_EXCEEDED' });
});
