import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Digest, digestOf } from './digest.ts';
import { flattenToErofs } from './erofs-image.ts';
import { ImageStore } from './image-store.ts';
import { describeImage, type StoredImage } from './stored-image.ts';
import { writeHeader, writeTar } from './testing/tar-writer.ts';

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

function imageOf(archive: { digest: Digest; length: number }): StoredImage {
  const platform = { os: 'linux', architecture: 'amd64' };
  const layer = { mediaType: '', digest: archive.digest, size: archive.length };
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
  const image = imageOf({ digest: digestOf(archive), length: archive.length });
  return (await flattenToErofs(image, open, { store, limits: { maximumEntries } })).size;
}

test('a hundred thousand empty files take some hundred bytes each', { timeout: 60_000 }, async () => {
  const before = process.memoryUsage().heapUsed;
  expect(await flatten(emptyFiles(100_000), 200_000)).toBeGreaterThan(100_000 * 32);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(300 * 1024 * 1024);
});

/** Archives are made while they are read: a million headers are half a gigabyte. */
function* millionFiles(count: number): Generator<Buffer, void, undefined> {
  const perChunk = 1000;
  const header = writeHeader({ mode: 0o644 }, '0', Buffer.from('d00/0000000'), nothing, 0);
  const sum = header.reduce((total, byte) => total + byte, 0) - header.subarray(148, 156).reduce((a, b) => a + b, 0);
  for (let first = 0; first < count; first += perChunk) {
    const chunk = Buffer.alloc(perChunk * 512);
    for (let n = first; n < first + perChunk; n++) {
      const at = (n - first) * 512;
      header.copy(chunk, at);
      const name = `d${String(n % 50).padStart(2, '0')}/${String(n).padStart(7, '0')}`;
      chunk.write(name, at, 'latin1');
      let total = sum + 8 * 0x20;
      for (let index = 0; index < name.length; index++) total += name.charCodeAt(index) - (header[index] ?? 0);
      chunk.write(`${total.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
    }
    yield chunk;
  }
  yield Buffer.alloc(1024);
}

test('a million empty files need no more than their names, and leave room for other work', async () => {
  const count = 1_000_000;
  const hash = createHash('sha256');
  for (const chunk of millionFiles(count)) hash.update(chunk);
  const image = imageOf({ digest: `sha256:${hash.digest('hex')}` as Digest, length: count * 512 + 1024 });
  const open = async function* () {
    yield* millionFiles(count);
  };
  let [turns, highest] = [0, 0];
  const timer = setInterval(() => {
    turns += 1;
    highest = Math.max(highest, process.memoryUsage().heapUsed);
  }, 20);
  try {
    const { size } = await flattenToErofs(image, open, { store, limits: { maximumEntries: count + 100 } });
    expect(size).toBeGreaterThan(count * 32);
  } finally {
    clearInterval(timer);
  }
  expect(highest).toBeLessThan(500 * 2 ** 20);
  // Work that is done in one piece gives others a handful.
  expect(turns).toBeGreaterThan(30);
}, 240_000);

describe('a layer that unpacks to far more than it is', () => {
  const archive = writeTar([{ path: 'zeros', content: Buffer.alloc(128 * 1024 * 1024) }]);
  const compressed = zstdCompressSync(archive);
  const image = imageOf({ digest: digestOf(archive), length: compressed.length });
  const open = async function* () {
    yield compressed;
  };

  test('is refused, naming image, layer and entry, and leaves nothing behind', async () => {
    await expect(flattenToErofs(image, open, { store })).rejects.toMatchObject({
      reason: 'LIMIT_EXCEEDED',
      message: expect.stringMatching(/"zeros" in layer sha256:[0-9a-f]{64} of example\.com\/many:1: .* 1000 times/),
      remedy: expect.stringContaining('raise the limits'),
    });
    expect(readdirSync(join(store.directory, 'erofs/staging'))).toEqual([]);
  });

  test('is taken by who allows it', async () => {
    const limits = { maximumRatio: 100_000 };
    expect((await flattenToErofs(image, open, { store, limits })).size).toBeGreaterThan(archive.length);
  });
});

test('more files than are allowed end it early', async () => {
  await expect(flatten(emptyFiles(20_000), 10_000)).rejects.toMatchObject({ reason: 'LIMIT_EXCEEDED' });
});
