import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestOf } from './digest.ts';
import { flattenToErofs } from './erofs-image.ts';
import { OciError } from './errors.ts';
import { ImageStore } from './image-store.ts';
import { describeImage, type StoredImage, type StoredLayer } from './stored-image.ts';
import { type TarInput, writeTar } from './testing/tar-writer.ts';
import { unpackLayers } from './unpack-image.ts';

let directory: string;
let store: ImageStore;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'zlayer-fuzz-'));
  store = await ImageStore.open(join(directory, 'store'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** The same sequence each time, so that a failure can be repeated. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) % below;
  };
}

const names = ['a', 'b', 'a/b', 'a/b/c', 'd', 'd/e', 'l', 'l/x', '/a', '.', '.wh.a', 'd/.wh..wh..opq', 'f', 'g'];
const hostileNames = ['..', '../outside', 'a/../b', '../outside/secret', '.wh...', '../.wh.outside', 'a\0b'];
const targets = ['..', '/', '../outside', 'a', 'b', 'l', 'a/b', '../../outside/secret', 'f', 'g'];
const types = ['file', 'file', 'directory', 'directory', 'symlink', 'hardlink'] as const;

function randomLayer(random: (below: number) => number): Buffer {
  const name = () => (random(25) === 0 ? pick(hostileNames, '..') : pick(names, 'a'));
  const pick = <T>(items: readonly T[], otherwise: T) => items[random(items.length)] ?? otherwise;
  const entries = Array.from({ length: 1 + random(8) }, (): TarInput => {
    const type = pick(types, 'file');
    return {
      type,
      path: name(),
      linkPath: type === 'symlink' || type === 'hardlink' ? pick(targets, 'a') : '',
      content: type === 'file' ? 'x'.repeat(random(600)) : '',
      mode: random(0o10000),
      ...(random(4) === 0 ? { pax: { path: name(), 'SCHILY.xattr.user.a': 'b' } } : {}),
    };
  });
  const archive = writeTar(entries);
  // Half of the archives are well-formed: those get further.
  for (let mutation = random(2) * random(5); mutation > 0; mutation--) archive[random(archive.length)] = random(256);
  return archive;
}

function imageOf(archives: Buffer[]): StoredImage {
  const platform = { os: 'linux', architecture: 'amd64' };
  const mediaType = 'application/vnd.oci.image.layer.v1.tar';
  const layers = archives.map((bytes) => ({ mediaType, digest: digestOf(bytes), size: bytes.length }));
  const id = { mediaType: '', digest: digestOf(Buffer.concat(archives)), size: 1 };
  const manifest = { kind: 'manifest' as const, mediaType: '', config: id, layers };
  const record = {
    ...id,
    name: 'f',
    origin: 'example.com/f:1',
    resolved: id.digest,
    platform,
    source: 'local' as const,
  };
  const diffIds = layers.map(({ digest }) => digest);
  const lists = { entrypoint: [], cmd: [], env: [], exposedPorts: [], volumes: [] };
  const config = { ...platform, ...lists, workingDir: '', user: '', labels: {}, diffIds };
  return describeImage(record, manifest, config);
}

test('whatever bytes a layer has, it is unpacked or refused, and nothing else is touched', {
  timeout: 60_000,
}, async () => {
  const outside = join(directory, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'untouched');
  const before = lstatSync(outside, { bigint: true });
  const random = randomNumbers(20_260);
  const outcomes = { both: 0, refused: 0 };
  for (let iteration = 0; iteration < 250; iteration++) {
    const archives = Array.from({ length: 1 + random(3) }, () => randomLayer(random));
    const image = imageOf(archives);
    const open = async function* ({ digest }: StoredLayer) {
      yield archives.find((bytes) => digestOf(bytes) === digest) ?? Buffer.alloc(0);
    };
    const unpacked = join(directory, 'unpacked');
    const results = await Promise.allSettled([
      unpackLayers(image, open, { directory: unpacked }),
      flattenToErofs(image, open, { store }),
    ]);
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    for (const error of errors) expect(error, `iteration ${iteration}`).toBeInstanceOf(OciError);
    expect(errors.length === 1, `iteration ${iteration}: ${errors[0]}`).toBe(false);
    if (errors.length === 0) outcomes.both++;
    else outcomes.refused++;
    const after = lstatSync(outside, { bigint: true });
    expect([after.mtimeNs, after.ctimeNs, after.mode]).toEqual([before.mtimeNs, before.ctimeNs, before.mode]);
    expect(readdirSync(directory).sort()).toEqual(['outside', 'store', 'unpacked']);
    expect(existsSync(join(unpacked, 'staging')) ? readdirSync(join(unpacked, 'staging')) : []).toEqual([]);
  }
  expect(outcomes.both).toBeGreaterThan(20);
  expect(outcomes.refused).toBeGreaterThan(20);
});
