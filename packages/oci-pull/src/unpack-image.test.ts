import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { listAttributesSync } from '@napi-rs/xattr';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from './digest.ts';
import { type ErofsImageOptions, erofsImage } from './erofs-image.ts';
import { parseImageConfig } from './image-config.ts';
import { ImageStore } from './image-store.ts';
import { parseManifest } from './manifest.ts';
import { describeImage, type StoredImage } from './stored-image.ts';
import { type BuiltImage, buildImage, type LayerInput } from './testing/image-layout.ts';
import { type TarInput, writeTar } from './testing/tar-writer.ts';
import { type UnpackImageOptions, unpackImage } from './unpack-image.ts';

let directory: string;
let store: ImageStore;
/** Files beside the rootfs that no layer may touch. */
let outside: string;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'zlayer-unpack-'));
  outside = join(directory, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'untouched');
  store = await ImageStore.open(join(directory, 'store'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

async function stored({ manifest, config, layers }: BuiltImage): Promise<StoredImage> {
  for (const blob of layers) await store.writeBlob(blob, [blob.bytes]);
  const parsed = parseManifest(manifest.bytes, manifest.mediaType, manifest.digest);
  if (parsed.kind !== 'manifest') throw new Error('not an image');
  const origin = 'example.com/hostile:1';
  const record = { ...manifest, name: 'hostile', origin, resolved: manifest.digest, source: 'local' as const };
  const platform = { os: 'linux', architecture: 'amd64' };
  return describeImage({ ...record, platform }, parsed, parseImageConfig(config.bytes, config.digest));
}

async function unpack(layers: (LayerInput | TarInput[])[], options: Partial<UnpackImageOptions> = {}): Promise<string> {
  const inputs = layers.map((layer) => (Array.isArray(layer) ? { content: layer } : layer));
  const image = await stored(buildImage({ architecture: 'amd64', layers: inputs }));
  return (await unpackImage(image, { store, directory: join(directory, 'unpacked'), ...options })).rootfs;
}

/** The same layers into an EROFS image. */
async function flatten(layers: (LayerInput | TarInput[])[], options: Partial<ErofsImageOptions> = {}): Promise<string> {
  const inputs = layers.map((layer) => (Array.isArray(layer) ? { content: layer } : layer));
  const image = await stored(buildImage({ architecture: 'amd64', layers: inputs }));
  return (await erofsImage(image, { store, ...options })).path;
}

function list(root: string): string[] {
  const paths: string[] = [];
  const visit = (path: string) => {
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const below = join(path, entry.name);
      paths.push(below);
      if (entry.isDirectory()) visit(below);
    }
  };
  visit('');
  return paths.sort();
}

const file = (path: string, content = path): TarInput => ({ path, content });
const dir = (path: string, mode = 0o755): TarInput => ({ type: 'directory', path, mode });
const symlink = (path: string, linkPath: string): TarInput => ({ type: 'symlink', path, linkPath });
const hardlink = (path: string, linkPath: string): TarInput => ({ type: 'hardlink', path, linkPath });

const xattr = (name: string, value: string): TarInput => ({ path: 'f', pax: { [`SCHILY.xattr.${name}`]: value } });

/** Each entry's own name is short, but what lies under the symlinks is ever deeper. */
function longBySymlinks(): TarInput[] {
  const part = `${'d'.repeat(200)}/`.repeat(8);
  const steps = Array.from({ length: 4 }, (_, n) => {
    const above = n === 0 ? '' : `l${n}/`;
    return [file(`${above}${part}f`), symlink(`l${n + 1}`, `${above}${part}`)];
  });
  return steps.flat();
}

describe('layers are applied as the image specification says', () => {
  test('a whiteout hides what lies below, but nothing of its own layer, whatever the order', async () => {
    const rootfs = await unpack([
      [file('a/old'), file('a/deep/old'), file('b'), file('c/d')],
      [file('a/deep/new'), file('.wh.a'), file('.wh.b'), file('c/.wh.missing'), file('missing/.wh.missing')],
    ]);
    expect(list(rootfs)).toEqual(['a', 'a/deep', 'a/deep/new', 'c', 'c/d']);
  });

  test('an opaque directory hides what lies below, but no sibling of its own layer', async () => {
    const rootfs = await unpack([
      [file('d/old'), file('d/sub/old'), file('e/old')],
      [file('d/before'), file('d/sub/new'), file('d/.wh..wh..opq'), file('d/after'), file('e/.wh..wh..opq')],
    ]);
    expect(list(rootfs)).toEqual(['d', 'd/after', 'd/before', 'd/sub', 'd/sub/new', 'e']);
  });

  test('any type replaces any other', async () => {
    const rootfs = await unpack([
      [file('file-to-directory'), file('directory-to-file/inside'), symlink('link-to-directory', 'directory-to-file')],
      [
        dir('file-to-directory'),
        file('file-to-directory/inside'),
        file('directory-to-file'),
        dir('link-to-directory'),
        file('link-to-directory/inside'),
      ],
      [file('file-to-directory'), file('directory-to-file/implied'), symlink('link-to-directory', '/')],
    ]);
    expect(list(rootfs)).toEqual([
      'directory-to-file',
      'directory-to-file/implied',
      'file-to-directory',
      'link-to-directory',
    ]);
    expect(readlinkSync(join(rootfs, 'link-to-directory'))).toBe('/');
  });

  test('a directory that is described again keeps its files and gets the new mode', async () => {
    const rootfs = await unpack([[dir('d', 0o700), file('d/f')], [dir('d', 0o1777)]]);
    expect(lstatSync(join(rootfs, 'd')).mode & 0o7777).toBe(0o1777);
    expect(list(rootfs)).toEqual(['d', 'd/f']);
  });

  test('writing one name of a hard-linked file leaves the other names alone', async () => {
    const rootfs = await unpack([
      [file('a', 'old'), hardlink('b', 'a')],
      [hardlink('c', '/b'), file('b', 'new')],
    ]);
    expect(['a', 'b', 'c'].map((name) => readFileSync(join(rootfs, name), 'utf8'))).toEqual(['old', 'new', 'old']);
    expect(lstatSync(join(rootfs, 'a')).ino).toBe(lstatSync(join(rootfs, 'c')).ino);
  });

  test('a directory in place of a symlink hides nothing behind the symlink', async () => {
    const rootfs = await unpack([
      [file('real/kept'), symlink('d', 'real')],
      [dir('d'), file('d/.wh..wh..opq'), file('d/.wh.kept'), file('d/new')],
    ]);
    expect(list(rootfs)).toEqual(['d', 'd/new', 'real', 'real/kept']);
  });

  test('a hard link outlives the file that it was made from', async () => {
    const rootfs = await unpack([[file('a', 'content')], [hardlink('b', 'a')], [file('.wh.a')]]);
    expect(list(rootfs)).toEqual(['b']);
    expect(readFileSync(join(rootfs, 'b'), 'utf8')).toBe('content');
    expect(lstatSync(join(rootfs, 'b')).nlink).toBe(1);
  });

  test('of an entry that comes twice in a layer, the last one counts', async () => {
    const rootfs = await unpack([[file('f', 'first'), dir('d'), file('d/f'), file('f', 'second'), file('d', 'third')]]);
    expect(list(rootfs)).toEqual(['d', 'f']);
    expect(readFileSync(join(rootfs, 'f'), 'utf8')).toBe('second');
  });

  test('labels of the storage driver that a layer comes from are left behind', async () => {
    const overlay = { 'SCHILY.xattr.trusted.overlay.redirect': '/etc', 'SCHILY.xattr.security.selinux': 'label' };
    const rootfs = await unpack([[{ type: 'directory', path: 'd', pax: overlay }]]);
    expect(listAttributesSync(join(rootfs, 'd'))).toEqual([]);
  });

  test('names that are not UTF-8 and names of 255 bytes arrive byte by byte', async () => {
    const name = Buffer.from([0x66, 0xff, 0xfe, 0x0a, 0x20]);
    const rootfs = await unpack([[{ path: name, content: 'x' }, file('n'.repeat(255)), symlink('l', 'ä')]]);
    const names = readdirSync(rootfs, { encoding: 'buffer' });
    expect(names.some((found) => found.equals(name))).toBe(true);
    expect(names.some((found) => found.length === 255)).toBe(true);
    expect(readlinkSync(join(rootfs, 'l'))).toBe('ä');
  });

  test('an image without layers, and a layer without entries, give an empty root', async () => {
    expect(list(await unpack([]))).toEqual([]);
    expect(list(await unpack([[], { content: Buffer.alloc(0) }]))).toEqual([]);
  });
});

describe('no layer reaches out of the root', () => {
  const climb = '../'.repeat(30);

  test.each<[string, TarInput[][], string]>([
    ['a name with ..', [[file('../outside/secret')]], 'UNSAFE_PATH'],
    ['a name with .. in the middle', [[file('a/../../../outside/secret')]], 'UNSAFE_PATH'],
    ['an absolute name with ..', [[file('/../outside/secret')]], 'UNSAFE_PATH'],
    ['a directory named ..', [[dir('..')]], 'UNSAFE_PATH'],
    ['a file as the root', [[file('.')]], 'UNSAFE_PATH'],
    ['a symlink as the root', [[symlink('./', '/tmp')]], 'UNSAFE_PATH'],
    ['a whiteout of ..', [[file('a/.wh...')]], 'UNSAFE_PATH'],
    ['a whiteout of .', [[file('a/.wh..')]], 'UNSAFE_PATH'],
    ['a whiteout of nothing', [[file('.wh.')]], 'UNSAFE_PATH'],
    ['a whiteout in ..', [[file('../.wh.outside')]], 'UNSAFE_PATH'],
    ['an opaque ..', [[file('../.wh..wh..opq')]], 'UNSAFE_PATH'],
    ['a hard link to ..', [[hardlink('a', `${climb}etc/passwd`)]], 'UNSAFE_PATH'],
    ['a hard link to the host by an absolute name', [[hardlink('a', '/etc/passwd')]], 'CORRUPT_LAYER'],
    ['a hard link through a symlink', [[symlink('host', '/etc')], [hardlink('a', 'host/passwd')]], 'CORRUPT_LAYER'],
    ['a hard link to a directory', [[dir('d'), hardlink('a', 'd')]], 'CORRUPT_LAYER'],
    ['a hard link to the root', [[hardlink('a', '.')]], 'CORRUPT_LAYER'],
    ['a hard link to nothing', [[hardlink('a', 'b')]], 'CORRUPT_LAYER'],
    ['a hard link that removes its target', [[file('d/f'), hardlink('d', 'd/f')]], 'CORRUPT_LAYER'],
    ['a loop of symlinks', [[symlink('a', 'b'), symlink('b', 'a'), file('a/f')]], 'UNSAFE_PATH'],
    ['an entry under a file of its layer', [[file('a'), file('a/b')]], 'CORRUPT_LAYER'],
    ['a name of 256 bytes', [[file('n'.repeat(256))]], 'UNSAFE_PATH'],
    ['a name of 4096 bytes', [[file(`${'n/'.repeat(2048)}`)]], 'UNSAFE_PATH'],
    ['a NUL in a name', [[{ path: 'a', pax: { path: 'a\0b' } }]], 'UNSAFE_PATH'],
    ['a NUL in a link target', [[{ type: 'symlink', path: 'a', pax: { linkpath: 'a\0b' } }]], 'UNSAFE_PATH'],
    ['a symlink to nothing', [[symlink('a', '')]], 'CORRUPT_LAYER'],
    ['a hard link to what its own layer hides', [[file('f')], [file('.wh.f'), hardlink('a', 'f')]], 'CORRUPT_LAYER'],
    ['a device that Linux does not have', [[{ type: 'block', path: 'd', deviceMajor: 5000 }]], 'CORRUPT_LAYER'],
    ['a path that symlinks make too long', [longBySymlinks()], 'UNSAFE_PATH'],
    ['a path size that is a lie', [[{ path: 'f', pax: { size: '99999999' } }]], 'CORRUPT_LAYER'],
    ['an attribute larger than Linux allows', [[xattr('user.a', 'x'.repeat(65_537))]], 'CORRUPT_LAYER'],
    ['an attribute with a NUL in its name', [[xattr('user.a\0b', 'x')]], 'CORRUPT_LAYER'],
  ])('%s is an error that names image, layer and entry', async (_, layers, reason) => {
    const failure = await unpack(layers).catch((error) => error);
    expect(failure).toMatchObject({ reason, subject: 'example.com/hostile:1' });
    expect(failure.message).toMatch(/".*" in layer sha256:[0-9a-f]{64} of example.com\/hostile:1/s);
    const same = await flatten(layers).catch((error) => error);
    expect(same).toMatchObject({ reason, subject: failure.subject, message: failure.message });
    expectNothingLeft();
  });

  test.each<[string, TarInput[][]]>([
    ['a symlink and a file behind it', [[symlink('link', '../../../../outside'), file('link/secret', 'pwned')]]],
    ['a symlink of a lower layer', [[symlink('link', '/')], [file(`link/outside/secret`, 'pwned')]]],
    ['a chain of symlinks', [[symlink('a', `${climb}`), symlink('b', 'a/tmp'), file('b/zlayer-escape', 'pwned')]]],
    ['a file written over a symlink', [[symlink('secret', '../../../../outside/secret')], [file('secret', 'pwned')]]],
    [
      'a file written over a hard link to a symlink',
      [[symlink('a', '../../../../outside/secret'), hardlink('b', 'a')], [file('b', 'pwned')]],
    ],
    ['an opaque directory behind a symlink', [[symlink('link', '../../../../outside')], [file('link/.wh..wh..opq')]]],
    ['a whiteout behind a symlink', [[symlink('link', '../../../../outside')], [file('link/.wh.secret')]]],
    ['a whiteout of a symlink', [[symlink('link', '../../../../outside')], [file('.wh.link')]]],
    ['a directory described over a symlink', [[symlink('link', '../../../../outside')], [dir('link', 0o777)]]],
    [
      'a directory that becomes a symlink',
      [
        [dir('d'), file('d/f')],
        [symlink('d', '/'), file('d/etc/zlayer-escape')],
      ],
    ],
    [
      'a symlink that was a directory a moment ago',
      [[dir('d'), file('d/f'), symlink('d', '../../../../outside'), file('d/secret', 'pwned')]],
    ],
    [
      'a symlink swapped above a known directory',
      [[file('a/b/f'), file('.wh.x'), symlink('a', '../../../../outside'), file('a/b/f', 'pwned')]],
    ],
    ['an absolute name', [[file('/outside/secret', 'pwned'), file('//etc/zlayer-escape', 'pwned')]]],
  ])('%s stays inside', async (_, layers) => {
    await unpack(layers);
    await flatten(layers);
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('untouched');
    expect(lstatSync(outside).mode & 0o777).not.toBe(0o777);
    expect(readdirSync(outside)).toEqual(['secret']);
    expect(() => lstatSync('/etc/zlayer-escape')).toThrow('ENOENT');
    expect(() => lstatSync('/tmp/zlayer-escape')).toThrow('ENOENT');
    expect(readdirSync(directory).sort()).toEqual(['outside', 'store', 'unpacked']);
  });
});

describe('a damaged or oversized layer leaves nothing behind', () => {
  const archive = writeTar([file('a', 'x'.repeat(100_000))]);

  test.each<[string, () => LayerInput | TarInput[], string]>([
    ['a cut-off archive', () => ({ content: archive.subarray(0, 50_000) }), 'CORRUPT_LAYER'],
    ['something behind the archive', () => ({ content: Buffer.concat([archive, archive]) }), 'CORRUPT_LAYER'],
    ['no archive at all', () => ({ content: Buffer.from('<html>'.repeat(1000)) }), 'CORRUPT_LAYER'],
    ['a gzip inside a gzip', () => ({ content: gzipSync(archive) }), 'CORRUPT_LAYER'],
    ['more bytes than allowed', () => [file('zeros', '\0'.repeat(3_000_000))], 'LIMIT_EXCEEDED'],
    ['more entries than allowed', () => Array.from({ length: 200 }, (_, n) => file(`${n}`)), 'LIMIT_EXCEEDED'],
    ['more implied directories than allowed', () => [file(`${'d/'.repeat(150)}f`)], 'LIMIT_EXCEEDED'],
  ])('%s', async (_, layer, reason) => {
    const limits = { maximumBytes: 2_000_000, maximumEntries: 100 };
    await expect(unpack([[file('good')], layer()], { limits })).rejects.toMatchObject({ reason });
    await expect(flatten([[file('good')], layer()], { limits })).rejects.toMatchObject({ reason });
    expectNothingLeft();
  });

  test('a truncated gzip, and one with something behind it', async () => {
    const good = buildImage({ architecture: 'amd64', layers: [{ content: archive }] });
    for (const bytes of [gzipSync(archive).subarray(0, -8), Buffer.concat([gzipSync(archive), Buffer.from('more')])]) {
      const image = await stored(good);
      const layer = {
        digest: digestOf(bytes),
        size: bytes.length,
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
      };
      await store.writeBlob(layer, [bytes]);
      const damaged = { ...image, layers: image.layers.map(({ diffId }) => ({ ...layer, diffId })) };
      const options = { store, directory: join(directory, 'unpacked') };
      await expect(unpackImage(damaged, options)).rejects.toMatchObject({ reason: 'CORRUPT_LAYER' });
      await expect(erofsImage(damaged, { store })).rejects.toMatchObject({ reason: 'CORRUPT_LAYER' });
      expectNothingLeft();
    }
  });

  test('a layer that is not the one its config names', async () => {
    const image = await stored(buildImage({ architecture: 'amd64', layers: [{ content: archive }] }));
    const layers = image.layers.map((layer) => ({ ...layer, diffId: digestOf(Buffer.from('another')) }));
    const unpacking = unpackImage({ ...image, layers }, { store, directory: join(directory, 'unpacked') });
    await expect(unpacking).rejects.toMatchObject({ reason: 'DIGEST_MISMATCH' });
    await expect(erofsImage({ ...image, layers }, { store })).rejects.toMatchObject({ reason: 'DIGEST_MISMATCH' });
    expectNothingLeft();
  });

  test('a layer that is missing in the store', async () => {
    const image = await stored(buildImage({ architecture: 'amd64', layers: [{ content: archive }] }));
    for (const { digest } of image.layers) rmSync(store.blobPath(digest));
    const unpacking = unpackImage(image, { store, directory: join(directory, 'unpacked') });
    await expect(unpacking).rejects.toMatchObject({ reason: 'UNPACK_FAILED' });
    await expect(erofsImage(image, { store })).rejects.toMatchObject({ reason: 'UNPACK_FAILED' });
    expectNothingLeft();
  });

  test('an abort, before and on the way', async () => {
    await expect(unpack([[file('a')]], { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    const abort = new AbortController();
    const onProgress = () => abort.abort(new Error('enough'));
    await expect(unpack([[file('b')]], { signal: abort.signal, onProgress })).rejects.toThrow('enough');
    const another = new AbortController();
    const stop = () => another.abort(new Error('enough'));
    await expect(flatten([[file('b')]], { signal: another.signal, onProgress: stop })).rejects.toThrow('enough');
    expectNothingLeft();
  });
});

describe('an image is unpacked once', () => {
  test('and found again, with what was lost', async () => {
    const pax = { 'SCHILY.xattr.security.capability': 'x' };
    const image = await stored(buildImage({ architecture: 'amd64', layers: [{ content: [{ path: 'ping', pax }] }] }));
    const options = { store, directory: join(directory, 'unpacked') };
    const first = await unpackImage(image, options);
    // Nobody may set this one to such a value.
    expect(first).toMatchObject({ existed: false, losses: { xattrs: 1, examples: ['ping'] } });
    expect(await unpackImage(image, options)).toEqual({ ...first, existed: true });
    // Images hold setuid files, which other users of this machine must not reach.
    expect(lstatSync(join(first.rootfs, '..')).mode & 0o777).toBe(0o700);
  });

  test('also when several callers want it at the same time', async () => {
    const content = Array.from({ length: 100 }, (_, n) => file(`${n}`));
    const image = await stored(buildImage({ architecture: 'amd64', layers: [{ content }] }));
    const options = { store, directory: join(directory, 'unpacked') };
    const all = await Promise.all([1, 2, 3].map(() => unpackImage(image, options)));
    expect(new Set(all.map(({ rootfs }) => rootfs)).size).toBe(1);
    expect(all.filter(({ existed }) => !existed)).toHaveLength(1);
    expect(list(all[0]?.rootfs ?? '')).toHaveLength(100);
    expect(readdirSync(join(directory, 'unpacked', 'staging'))).toEqual([]);
  });

  test('and what a crashed process left is cleared away, also what it had closed', async () => {
    const staging = join(directory, 'unpacked', 'staging');
    const abandoned = join(staging, '4194303-dead.1_0123456789abcdef');
    mkdirSync(join(abandoned, 'closed'), { recursive: true });
    writeFileSync(join(abandoned, 'closed', 'file'), '');
    chmodSync(join(abandoned, 'closed'), 0o500);
    const another = join(staging, `${process.pid}-unknown_0123456789abcdef`);
    mkdirSync(another);
    await unpack([[file('a')]]);
    expect(readdirSync(staging)).toEqual([`${process.pid}-unknown_0123456789abcdef`]);
  });
});

function expectNothingLeft(): void {
  for (const path of ['erofs/staging', 'erofs/v2/sha256']) {
    expect(existsSync(join(store.directory, path)) ? readdirSync(join(store.directory, path)) : []).toEqual([]);
  }
  expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('untouched');
  const left = (existsSync(join(directory, 'unpacked')) ? list(join(directory, 'unpacked')) : []).filter(
    (path) => !['staging', 'sha256', 'unsynced'].includes(path),
  );
  expect(left).toEqual([]);
}
