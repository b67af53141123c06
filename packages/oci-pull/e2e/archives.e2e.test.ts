import { execFile } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  exportArchive,
  exportLayout,
  findImage,
  ImageStore,
  importArchive,
  importLayout,
  type StoredImage,
  unpackImage,
} from '../src/index.ts';
import { writeImageLayout } from '../src/testing/index.ts';
import { manyLayers } from './hard-images.ts';
import { treeSnapshot } from './tree-snapshot.ts';

const run = promisify(execFile);
const platform = { os: 'linux', architecture: 'amd64' };

let directory: string;
let store: ImageStore;
let image: StoredImage;
let expected: Map<string, string>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-archives-'));
  const layout = join(directory, 'layout');
  await writeImageLayout(layout, { name: 'a', images: [{ architecture: 'amd64', layers: manyLayers() }] });
  store = await ImageStore.open(join(directory, 'store'));
  image = await importLayout(layout, { store, platform, reference: 'example.com/team/app:1' });
  expected = treeSnapshot((await unpackImage(image, { store, directory: join(directory, 'unpacked') })).rootfs);
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function treeOf(found: StoredImage, from: ImageStore): Promise<Map<string, string>> {
  const unpacked = await mkdtemp(join(directory, 'tree-'));
  return treeSnapshot((await unpackImage(found, { store: from, directory: unpacked })).rootfs);
}

test('an archive of ours is read by skopeo, as a layout and as Docker writes it', async () => {
  const archive = join(directory, 'ours.tar');
  await pipeline(exportArchive([image], { store }), createWriteStream(archive));
  const { stdout } = await run('skopeo', ['inspect', `oci-archive:${archive}`]);
  expect(JSON.parse(stdout)).toMatchObject({ Digest: image.digest, Architecture: 'amd64' });
  const copy = join(directory, 'by-skopeo');
  await run('skopeo', ['copy', '--insecure-policy', `docker-archive:${archive}`, `oci:${copy}:a`]);
  const other = await ImageStore.open(join(directory, 'from-skopeo'));
  const back = await importLayout(copy, { store: other, platform, reference: 'a' });
  expect(await treeOf(back, other)).toEqual(expected);
});

test.each(['docker-archive', 'oci-archive'])('a %s of skopeo arrives, also through a pipe', async (form) => {
  const layout = join(directory, `exported-${form}`);
  await exportLayout([image], layout, { store });
  const archive = join(directory, `${form}.tar`);
  const name = 'example.com/team/app:1';
  await run('skopeo', ['copy', '--insecure-policy', `oci:${layout}:${name}`, `${form}:${archive}:${name}`]);
  for (const input of [archive, createReadStream(archive)]) {
    const other = await ImageStore.open(await mkdtemp(join(directory, 'store-')));
    const [arrived] = await importArchive(input, { store: other, platform });
    expect(arrived).toMatchObject({ name, reference: name });
    expect(await findImage(other, name, platform)).toMatchObject({ digest: arrived?.digest });
    if (arrived !== undefined) expect(await treeOf(arrived, other)).toEqual(expected);
  }
});
