import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from './digest.ts';
import { ImageStore } from './image-store.ts';
import { importLayout } from './import-layout.ts';
import { pullImage } from './pull-image.ts';
import { findImage } from './stored-image.ts';
import { writeImageLayout } from './testing/image-layout.ts';

let directory: string;
let store: ImageStore;
const platform = { os: 'linux', architecture: 'amd64' };

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'zlayer-store-'));
  store = await ImageStore.open(join(directory, 'store'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const content = Buffer.from('some content');
const blob = { digest: digestOf(content), size: content.length };

async function* failing(): AsyncGenerator<Uint8Array> {
  yield content.subarray(0, 4);
  throw new Error('connection lost');
}

describe('a blob is in the store complete or not at all', () => {
  test('complete', async () => {
    await store.writeBlob(blob, [content.subarray(0, 5), content.subarray(5)]);
    expect(await store.hasBlob(blob)).toBe(true);
    expect((await store.readBlob(blob)).equals(content)).toBe(true);
    expect(readdirSync(join(store.directory, 'staging'))).toEqual([]);
  });

  test.each<[string, AsyncIterable<Uint8Array> | Iterable<Uint8Array>, object]>([
    ['too short', [content.subarray(1)], { reason: 'SIZE_MISMATCH' }],
    ['too long', [content, content], { reason: 'SIZE_MISMATCH' }],
    ['of other content', [Buffer.from('SOME content')], { reason: 'DIGEST_MISMATCH' }],
    ['interrupted', failing(), { message: 'connection lost' }],
  ])('%s', async (_, source, failure) => {
    await expect(store.writeBlob(blob, source)).rejects.toMatchObject(failure);
    expect(await store.hasBlob(blob)).toBe(false);
    expect(readdirSync(join(store.directory, 'staging'))).toEqual([]);
    expect(readdirSync(join(store.directory, 'blobs', 'sha256'))).toEqual([]);
  });

  test('aborted', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(store.writeBlob(blob, [content], { signal })).rejects.toThrow('enough');
    expect(await store.hasBlob(blob)).toBe(false);
  });

  test('written by several callers at once', async () => {
    await Promise.all([1, 2, 3, 4].map(() => store.writeBlob(blob, [content])));
    expect((await store.readBlob(blob)).equals(content)).toBe(true);
  });

  test('changed behind our back, it is not handed out', async () => {
    await store.writeBlob(blob, [content]);
    writeFileSync(store.blobPath(blob.digest), 'SOME content');
    await expect(store.readBlob(blob)).rejects.toMatchObject({ reason: 'DIGEST_MISMATCH' });
  });

  test('left half-written by a process that died, it is cleared away', async () => {
    const abandoned = join(store.directory, 'staging', '4194303-dead.1_0123456789abcdef');
    writeFileSync(abandoned, 'half');
    const archive = join(store.directory, 'staging', '4194303-dead.1_fedcba9876543210');
    mkdirSync(archive);
    writeFileSync(join(archive, '0'), 'of an archive');
    await ImageStore.open(store.directory);
    expect([abandoned, archive].filter((path) => existsSync(path))).toEqual([]);
  });

  test('a digest that is a path leads nowhere', () => {
    expect(() => store.blobPath('sha256:../../../etc/passwd')).toThrow(TypeError);
  });
});

describe('an image is found under the name that was asked for', () => {
  const layout = () => join(directory, 'layout');
  const write = (name: string, text: string, architecture = 'amd64') =>
    writeImageLayout(layout(), {
      name,
      images: [{ architecture, layers: [{ content: [{ path: 'f', content: text }] }] }],
    });

  test('and under every spelling of it, but under no other name', async () => {
    await write('a', 'one');
    const image = await importLayout(layout(), { store, platform, reference: 'alpine' });
    expect(image).toMatchObject({ name: 'alpine', reference: 'docker.io/library/alpine:latest' });
    for (const name of ['alpine', 'alpine:latest', 'docker.io/alpine', 'index.docker.io/library/alpine:latest']) {
      expect((await findImage(store, name, platform))?.digest).toBe(image.digest);
    }
    for (const name of ['alpine:3', 'evil.example/x/alpine', 'evil.example/library/alpine', 'user/alpine']) {
      expect(await findImage(store, name, platform)).toBeUndefined();
    }
    expect(await findImage(store, 'alpine', { os: 'linux', architecture: 'arm64' })).toBeUndefined();
    const index = JSON.parse(readFileSync(join(store.directory, 'index.json'), 'utf8'));
    expect(index.manifests[0].annotations['org.opencontainers.image.ref.name']).toBe('alpine');
  });

  test('and two spellings never mean different images', async () => {
    await write('old', 'one');
    await write('new', 'two');
    await importLayout(layout(), { store, platform, name: 'old', reference: 'alpine' });
    const newer = await importLayout(layout(), { store, platform, name: 'new', reference: 'docker.io/library/alpine' });
    expect((await findImage(store, 'alpine', platform))?.digest).toBe(newer.digest);
    expect((await store.list()).map(({ name }) => name)).toEqual(['alpine', 'docker.io/library/alpine']);
  });

  test('for each platform apart', async () => {
    await write('amd', 'one');
    await write('arm', 'two', 'arm64');
    const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' };
    const first = await importLayout(layout(), { store, platform, name: 'amd', reference: 'a' });
    const second = await importLayout(layout(), { store, platform: arm64, name: 'arm', reference: 'a' });
    expect((await findImage(store, 'a', platform))?.digest).toBe(first.digest);
    expect((await findImage(store, 'a', arm64))?.digest).toBe(second.digest);
  });

  test('unless one of its blobs is gone', async () => {
    await write('a', 'one');
    const image = await importLayout(layout(), { store, platform, reference: 'a' });
    for (const { digest } of image.layers) rmSync(store.blobPath(digest));
    expect(await findImage(store, 'a', platform)).toBeUndefined();
    const pull = pullImage('a', { store, platform, policy: 'never' });
    await expect(pull).rejects.toMatchObject({ reason: 'IMAGE_UNKNOWN', code: 'NOT_FOUND' });
  });

  test('when many record at once, none is lost', async () => {
    await write('a', 'one');
    const names = Array.from({ length: 12 }, (_, n) => `app${n}`);
    await Promise.all(names.map((reference) => importLayout(layout(), { store, platform, reference })));
    expect((await store.list()).map(({ name }) => name).sort()).toEqual(names.toSorted());
    expect(readdirSync(store.directory).sort()).toEqual([
      'blobs',
      'index.json',
      'leases',
      'oci-layout',
      'partial',
      'staging',
    ]);
  });

  test('and entries of other tools stay in the index', async () => {
    const path = join(store.directory, 'index.json');
    const foreign = { mediaType: 'application/vnd.example', digest: blob.digest, size: 1, annotations: { a: 'b' } };
    writeFileSync(path, JSON.stringify({ schemaVersion: 2, manifests: [foreign] }));
    await write('a', 'one');
    await importLayout(layout(), { store, platform, reference: 'a' });
    expect(JSON.parse(readFileSync(path, 'utf8')).manifests[0]).toEqual(foreign);
  });
});

describe('a layout is not trusted', () => {
  const layout = () => join(directory, 'layout');
  const image = { architecture: 'amd64', layers: [{ content: [{ path: 'f' }] }] };

  test.each([['manifests'], ['config'], ['layers']])('damage to one of its %s is found', async (part) => {
    await writeImageLayout(layout(), { name: 'a', images: [image] });
    const read = (digest: string) => readFileSync(join(layout(), 'blobs', 'sha256', digest.slice(7)), 'utf8');
    const index = JSON.parse(readFileSync(join(layout(), 'index.json'), 'utf8'));
    const manifest = JSON.parse(read(index.manifests[0].digest));
    const { digest, size } = { manifests: index.manifests[0], config: manifest.config, layers: manifest.layers[0] }[
      part
    ];
    writeFileSync(join(layout(), 'blobs', 'sha256', digest.slice(7)), Buffer.alloc(size, ' '));
    const importing = importLayout(layout(), { store, platform, reference: 'a' });
    await expect(importing).rejects.toMatchObject({ reason: 'DIGEST_MISMATCH' });
    expect(await store.list()).toEqual([]);
    expect(readdirSync(join(store.directory, 'staging'))).toEqual([]);
  });

  test('a directory that is none, an image that is not in it, a choice that is not made', async () => {
    const fails = (name?: string) => importLayout(layout(), { store, platform, reference: 'a', name });
    await expect(fails()).rejects.toMatchObject({ reason: 'INVALID_LAYOUT' });
    await writeImageLayout(layout(), { name: 'one', images: [image] });
    await expect(fails('two')).rejects.toMatchObject({ reason: 'IMAGE_UNKNOWN' });
    await writeImageLayout(layout(), { name: 'two', images: [image] });
    await expect(fails()).rejects.toMatchObject({ reason: 'IMAGE_UNKNOWN' });
    await expect(fails('two')).resolves.toMatchObject({ name: 'a' });
  });
});
