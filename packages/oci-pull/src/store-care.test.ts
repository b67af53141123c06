import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collectGarbage } from './collect-garbage.ts';
import { digestOf } from './digest.ts';
import { erofsImage } from './erofs-image.ts';
import { exportArchive, exportLayout } from './export-archive.ts';
import { ImageStore } from './image-store.ts';
import { importArchive } from './import-archive.ts';
import { importLayout } from './import-layout.ts';
import { findImage, type StoredImage } from './stored-image.ts';
import { buildImage, writeImageLayout } from './testing/image-layout.ts';
import { writeTar } from './testing/tar-writer.ts';
import { unpackImage } from './unpack-image.ts';
import { verifyStore } from './verify-store.ts';

let directory: string;
let store: ImageStore;
const platform = { os: 'linux', architecture: 'amd64' };

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'zlayer-care-'));
  store = await ImageStore.open(join(directory, 'store'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const shared = { content: [{ path: 'shared', content: 'in both images' }] };

async function add(name: string, into = store): Promise<StoredImage> {
  const layout = mkdtempSync(join(directory, 'layout-'));
  const layers = [shared, { content: [{ path: name, content: name }] }];
  await writeImageLayout(layout, { name, images: [{ architecture: 'amd64', config: { Cmd: [name] }, layers }] });
  return await importLayout(layout, { store: into, platform, reference: name });
}

function blobsOf({ digest, manifest, layers }: StoredImage): string[] {
  return [digest, manifest.config.digest, ...layers.map((layer) => layer.digest)];
}

function blobsIn(other: ImageStore): string[] {
  return readdirSync(join(other.directory, 'blobs', 'sha256')).map((hex) => `sha256:${hex}`);
}

describe('a store is verified', () => {
  test('and found to be whole', async () => {
    await add('a');
    expect(await verifyStore(store)).toMatchObject({ blobs: 4, damaged: [], missing: [] });
  });

  test('and a blob that rotted is set aside, so that it is fetched again', async () => {
    const image = await add('a');
    const layer = image.layers[1];
    if (layer === undefined) throw new Error('two layers were built');
    writeFileSync(store.blobPath(layer.digest), Buffer.alloc(layer.size, 'x'));
    const expected = { damaged: [layer.digest], missing: [{ image: 'a', digest: layer.digest }] };
    expect(await verifyStore(store)).toMatchObject(expected);
    expect(await verifyStore(store, { quarantine: true })).toMatchObject(expected);
    expect(readdirSync(join(store.directory, 'quarantine'))).toHaveLength(1);
    expect(await findImage(store, 'a', platform)).toBeUndefined();
    await add('a');
    expect(await verifyStore(store)).toMatchObject({ blobs: 4, damaged: [], missing: [] });
  });

  test('and what an image misses is named', async () => {
    const image = await add('a');
    rmSync(store.blobPath(image.manifest.config.digest));
    expect((await verifyStore(store)).missing).toEqual([{ image: 'a', digest: image.manifest.config.digest }]);
  });

  test('with its EROFS images and unpacked directories, which are made anew', async () => {
    const image = await add('a');
    const unpacked = join(directory, 'unpacked');
    const { path } = await erofsImage(image, { store });
    const { rootfs } = await unpackImage(image, { store, directory: unpacked });
    const options = { unpackedDirectories: [unpacked] };
    const whole = { damagedErofsImages: [], damagedDirectories: [] };
    expect(await verifyStore(store, options)).toMatchObject(whole);
    truncateSync(path, 4096);
    writeFileSync(join(rootfs, '..', 'unpacked.json'), '{"losses":');
    const damage = { damagedErofsImages: [image.digest], damagedDirectories: [dirname(rootfs)] };
    expect(await verifyStore(store, options)).toMatchObject(damage);
    expect(await verifyStore(store, { ...options, quarantine: true })).toMatchObject(damage);
    expect(existsSync(path) || existsSync(rootfs)).toBe(false);
    expect(await erofsImage(image, { store })).toMatchObject({ existed: false });
    expect(await unpackImage(image, { store, directory: unpacked })).toMatchObject({ existed: false });
    expect(await verifyStore(store, options)).toMatchObject(whole);
  });

  test('and an EROFS image with a wrong byte in a file is found, as long as its layers are there to compare', async () => {
    const image = await add('a');
    const { path } = await erofsImage(image, { store });
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(bytes.indexOf('in both images')) ^ 1, bytes.indexOf('in both images'));
    writeFileSync(path, bytes);
    expect((await verifyStore(store)).damagedErofsImages).toEqual([image.digest]);
    expect(readdirSync(join(store.directory, 'erofs', 'staging'))).toEqual([]);
    rmSync(store.blobPath(image.manifest.config.digest));
    expect((await verifyStore(store)).damagedErofsImages).toEqual([]);
  });

  test('until the caller gives up', async () => {
    await add('a');
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(verifyStore(store, { signal })).rejects.toThrow('enough');
  });
});

describe('garbage is collected', () => {
  test('but nothing that an image needs', async () => {
    const [a, b] = [await add('a'), await add('b')];
    await erofsImage(a, { store });
    const { path } = await erofsImage(b, { store });
    const unpacked = join(directory, 'unpacked');
    await unpackImage(a, { store, directory: unpacked });
    const { rootfs } = await unpackImage(b, { store, directory: unpacked });
    const options = { unpackedDirectories: [unpacked] };
    expect(await collectGarbage(store, options)).toEqual({
      bytes: 0,
      blobs: 0,
      erofsImages: 0,
      unpackedDirectories: 0,
    });

    expect(await store.remove('docker.io/library/a:latest')).toMatchObject([{ name: 'a' }]);
    expect(await collectGarbage(store, options)).toMatchObject({ blobs: 3, erofsImages: 1, unpackedDirectories: 1 });
    expect(blobsIn(store).sort()).toEqual(blobsOf(b).sort());
    expect(existsSync(path)).toBe(true);
    expect(existsSync(rootfs)).toBe(true);
    expect(readdirSync(join(unpacked, 'staging'))).toEqual([]);
    expect(await verifyStore(store)).toMatchObject({ damaged: [], missing: [] });
  });

  test('nor what a container or a lease needs, until it is given back', async () => {
    const image = await add('a');
    await erofsImage(image, { store });
    await store.remove('a');
    expect(await collectGarbage(store, { inUse: [image.digest] })).toMatchObject({ blobs: 0, erofsImages: 0 });
    {
      await using _lease = await store.lease([image.digest]);
      expect(await collectGarbage(store)).toMatchObject({ blobs: 0, erofsImages: 0 });
    }
    expect(await collectGarbage(store)).toMatchObject({ blobs: 4, erofsImages: 1 });
    expect(blobsIn(store)).toEqual([]);
  });

  test('nor what is pinned, also by a process that has ended, until the pin is taken out', async () => {
    const image = await add('a');
    await store.remove('a');
    const program = `const { ImageStore } = await import(process.argv[1]);
      const store = await ImageStore.open(process.argv[2]);
      await store.pin('web/1', [process.argv[3]]);`;
    const source = join(import.meta.dirname, 'image-store.ts');
    execFileSync(process.execPath, ['--input-type=module', '-e', program, source, store.directory, image.digest]);
    expect(await store.pins()).toEqual([{ name: 'web/1', digests: [image.digest] }]);
    expect(await collectGarbage(store)).toMatchObject({ blobs: 0 });
    await store.pin('web/1', []);
    await store.pin('other', [image.digest]);
    expect(await collectGarbage(store)).toMatchObject({ blobs: 0 });
    expect(await store.unpin('other')).toBe(true);
    expect(await store.unpin('other')).toBe(false);
    expect(await collectGarbage(store)).toMatchObject({ blobs: 4 });
    await expect(store.pin('', [])).rejects.toMatchObject({ reason: 'INVALID_REFERENCE' });
  });

  test('a lease of a process that died counts no more', async () => {
    const image = await add('a');
    await store.remove('a');
    writeFileSync(join(store.directory, 'leases', '4194303-dead.1_0123456789abcdef'), `${image.digest}\n`);
    expect(await collectGarbage(store)).toMatchObject({ blobs: 4 });
    expect(readdirSync(join(store.directory, 'leases'))).toEqual([]);
  });

  test('while images come, and each is whole', { timeout: 30_000 }, async () => {
    const names = Array.from({ length: 12 }, (_, n) => `app${n}`);
    const collect = async () => {
      for (let n = 0; n < 20; n++) await collectGarbage(store);
    };
    await Promise.all([collect(), ...names.map((name) => add(name))]);
    expect(await verifyStore(store)).toMatchObject({ damaged: [], missing: [] });
    for (const name of names) expect(await findImage(store, name, platform)).toBeDefined();
  });

  test('with half-fetched blobs, whole ones stay', async () => {
    const content = Buffer.from('content that arrives in two parts');
    const blob = { digest: digestOf(content), size: content.length };
    const broken = (async function* () {
      yield content.subarray(0, 10);
      throw new Error('connection lost');
    })();
    await expect(store.writeBlob(blob, broken)).rejects.toThrow('connection lost');
    expect(await collectGarbage(store)).toMatchObject({ bytes: 10, blobs: 0 });
  });
});

test('a tag is another name, and removing one leaves the other', async () => {
  const image = await add('a');
  await store.tag(image, 'example.com/b:2');
  expect(await findImage(store, 'example.com/b:2', platform)).toMatchObject({ digest: image.digest, source: 'local' });
  await store.remove('a');
  expect(await findImage(store, 'a', platform)).toBeUndefined();
  await collectGarbage(store);
  expect(await findImage(store, 'example.com/b:2', platform)).toBeDefined();
  expect(await store.remove('never/was')).toEqual([]);
  await expect(store.tag({ ...image, digest: digestOf(Buffer.alloc(0)) }, 'c')).rejects.toMatchObject({
    reason: 'IMAGE_UNKNOWN',
  });
});

describe('what a broken fetch left is continued', () => {
  const content = Buffer.from('0123456789'.repeat(1000));
  const blob = { digest: digestOf(content), size: content.length };
  const breaking = async () => ({
    start: 0,
    content: (async function* () {
      yield content.subarray(0, 4000);
      throw new Error('connection lost');
    })(),
  });
  const drain = async (generator: AsyncIterable<Uint8Array>) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of generator) chunks.push(chunk);
    return Buffer.concat(chunks);
  };

  test('from where it ended, and all its bytes are handed out', async () => {
    await expect(drain(store.receiveBlob(blob, breaking))).rejects.toThrow('connection lost');
    const offsets: number[] = [];
    const rest = async (offset: number) => {
      offsets.push(offset);
      return { start: offset, content: [content.subarray(offset)] };
    };
    expect((await drain(store.receiveBlob(blob, rest))).equals(content)).toBe(true);
    expect(offsets).toEqual([4000]);
    expect((await store.readBlob(blob)).equals(content)).toBe(true);
  });

  test('or from the beginning if the source can only send the whole', async () => {
    await expect(drain(store.receiveBlob(blob, breaking))).rejects.toThrow('connection lost');
    const whole = async () => ({ start: 0, content: [content] });
    expect((await drain(store.receiveBlob(blob, whole))).equals(content)).toBe(true);
  });

  test('but what turns out wrong is thrown away', async () => {
    const lying = async () => ({
      start: 0,
      content: (async function* () {
        yield Buffer.from('wrong');
        throw new Error('connection lost');
      })(),
    });
    await expect(drain(store.receiveBlob(blob, lying))).rejects.toThrow('connection lost');
    const rest = async (offset: number) => ({ start: offset, content: [content.subarray(offset)] });
    await expect(drain(store.receiveBlob(blob, rest))).rejects.toMatchObject({ reason: 'DIGEST_MISMATCH' });
    expect((await drain(store.receiveBlob(blob, rest))).equals(content)).toBe(true);
  });

  test('and of several who want it at once, one fetches', async () => {
    let fetches = 0;
    const origin = async () => {
      fetches++;
      return { start: 0, content: [content] };
    };
    const all = await Promise.all([1, 2, 3, 4].map(() => drain(store.receiveBlob(blob, origin))));
    expect(all.every((bytes) => bytes.equals(content))).toBe(true);
    expect(fetches).toBe(1);
  });
});

describe('images travel in archives', () => {
  async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
    const all: Uint8Array[] = [];
    for await (const chunk of chunks) all.push(chunk);
    return Buffer.concat(all);
  }
  async function* inPieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
    for (let offset = 0; offset < bytes.length; offset += 10_000) yield bytes.subarray(offset, offset + 10_000);
  }
  const open = (name: string) => ImageStore.open(join(directory, name));

  test('of several images, each blob once, and arrive as they were', async () => {
    const images = [await add('a'), await add('example.com/b:1')];
    const archive = await collect(exportArchive(images, { store }));
    expect((await collect(exportArchive(images, { store }))).equals(archive)).toBe(true);
    const other = await open('other');
    const arrived = await importArchive(inPieces(gzipSync(archive)), { store: other, platform });
    expect(arrived.map(({ digest, reference }) => [digest, reference])).toEqual(
      images.map(({ digest, reference }) => [digest, reference]),
    );
    expect(blobsIn(other).sort()).toEqual(blobsIn(store).sort());
    expect(readdirSync(join(other.directory, 'staging'))).toEqual([]);
    expect(readdirSync(join(store.directory, 'leases'))).toEqual([]);
  });

  test('and in layouts', async () => {
    const image = await add('a');
    const layout = join(directory, 'exported');
    await exportLayout([image], layout, { store });
    const other = await open('other');
    const arrived = await importLayout(layout, { store: other, platform, reference: 'a' });
    expect(arrived.digest).toBe(image.digest);
    await expect(exportLayout([image], layout, { store })).rejects.toMatchObject({ reason: 'STORE_FAILED' });
    expect(readdirSync(directory).filter((name) => name.includes('_'))).toEqual([]);
  });

  test('in the old form of docker save, where layers are linked and not compressed', async () => {
    const layers = [shared.content, [{ path: 'upper', content: 'x' }]].map((content) => writeTar(content));
    const { config } = buildImage({ architecture: 'amd64', layers: layers.map((content) => ({ content })) });
    const manifest = [
      { Config: 'c.json', RepoTags: ['old:1', 'old:latest'], Layers: ['1/layer.tar', '2/layer.tar', '3/layer.tar'] },
    ];
    const three = JSON.parse(config.bytes.toString());
    three.rootfs.diff_ids.push(three.rootfs.diff_ids[0]);
    const archive = writeTar([
      { type: 'directory', path: '1/' },
      { path: '1/layer.tar', content: layers[0] },
      { path: '2/layer.tar', content: layers[1] },
      { type: 'symlink', path: '3/layer.tar', linkPath: '../1/layer.tar' },
      { path: 'c.json', content: JSON.stringify(three) },
      { path: 'manifest.json', content: JSON.stringify(manifest) },
    ]);
    const images = await importArchive(inPieces(archive), { store, platform });
    expect(images.map(({ name }) => name)).toEqual(['old:1', 'old:latest']);
    const [image] = images;
    if (image === undefined) throw new Error('two were imported');
    const { rootfs } = await unpackImage(image, { store, directory: join(directory, 'unpacked') });
    expect(readdirSync(rootfs).sort()).toEqual(['shared', 'upper']);
  });

  const config = JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } });
  const docker = (manifest: unknown, ...more: { path: string; content?: string }[]) =>
    writeTar([
      { path: 'manifest.json', content: JSON.stringify(manifest) },
      { path: 'c.json', content: config },
      ...more,
    ]);
  test.each<[string, () => Buffer, string]>([
    ['is empty', () => writeTar([]), 'INVALID_LAYOUT'],
    ['is cut off', () => docker([]).subarray(0, 700), 'INVALID_LAYOUT'],
    ['is HTML', () => Buffer.from('<html>'.repeat(200)), 'INVALID_LAYOUT'],
    ['names a file that is not in it', () => docker([{ Config: 'x.json', Layers: [] }]), 'INVALID_LAYOUT'],
    ['names a layer that is not in it', () => docker([{ Config: 'c.json', Layers: ['l'] }]), 'INVALID_LAYOUT'],
    ['has a name that climbs', () => docker([], { path: '../../escape' }), 'INVALID_LAYOUT'],
    ['has an image without a name', () => docker([{ Config: 'c.json', Layers: [] }]), 'INVALID_REFERENCE'],
    ['is too large', () => docker([], { path: 'large', content: 'x'.repeat(100_000) }), 'LIMIT_EXCEEDED'],
  ])('an archive that %s is an error, and leaves nothing behind', async (_, archive, reason) => {
    const importing = importArchive(inPieces(archive()), { store, platform, limits: { maximumBytes: 50_000 } });
    await expect(importing).rejects.toMatchObject({ reason });
    expect(await store.list()).toEqual([]);
    expect(readdirSync(join(store.directory, 'staging'))).toEqual([]);
  });

  test('an archive that is a decompression bomb is refused before it fills the disk, unless it is allowed', async () => {
    const bomb = zstdCompressSync(docker([], { path: 'zeros', content: '\0'.repeat(80 * 1024 * 1024) }));
    let closed = 0;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield bomb;
      } finally {
        closed += 1;
      }
    }
    const refused = importArchive(source(), { store, platform });
    await expect(refused).rejects.toMatchObject({
      reason: 'LIMIT_EXCEEDED',
      message: expect.stringContaining('1000 times'),
    });
    expect(readdirSync(join(store.directory, 'staging'))).toEqual([]);
    expect(await importArchive(source(), { store, platform, limits: { maximumRatio: 100_000 } })).toEqual([]);
    expect(closed).toBe(2);
  });

  test('a blob that is gone is an error, not a shorter archive', async () => {
    const image = await add('a');
    await rm(store.blobPath(image.manifest.config.digest));
    await expect(collect(exportArchive([image], { store }))).rejects.toMatchObject({ reason: 'BLOB_UNKNOWN' });
    await expect(exportLayout([image], join(directory, 'exported'), { store })).rejects.toMatchObject({
      reason: 'BLOB_UNKNOWN',
    });
    expect(existsSync(join(directory, 'exported'))).toBe(false);
    expect(readFileSync(join(store.directory, 'oci-layout'), 'utf8')).toContain('1.0.0');
  });
});
