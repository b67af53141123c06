import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { erofsImage, exportLayout, ImageStore, importLayout, unpackImage } from '../src/index.ts';
import { type LayerInput, writeImageLayout } from '../src/testing/index.ts';
import { debianLayers } from './debian-image.ts';
import { manyAttributes, manyLayers, manyLinks } from './hard-images.ts';
import { treeSnapshot } from './tree-snapshot.ts';

const run = promisify(execFile);
const platform = { os: 'linux', architecture: 'amd64' };
const isRoot = process.getuid?.() === 0;

/** Directories that no entry describes have the time of unpacking with umoci, and so has the root. */
const implied = /^(\.|opt(\/long-directory-name[^/]*|\/no(\/directory(\/entries)?)?)?)$/;
/** `fsck.erofs` copies what is linked, extracts no attributes, and loses setuid where it changes owners. */
const notExtracted = /, (linked with [^,]*|(user|trusted|security|system)\.[^ ]* [0-9a-f]*)/g;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-trees-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

function differences(
  ours: Map<string, string>,
  theirs: Map<string, string>,
  simplify: (line: string, path: string) => string,
) {
  const line = (tree: Map<string, string>, path: string) => {
    const found = tree.get(path);
    return found === undefined ? undefined : simplify(found, path);
  };
  return [...new Set([...ours.keys(), ...theirs.keys()])]
    .filter((path) => line(ours, path) !== line(theirs, path))
    .map((path) => ({ path, ours: ours.get(path), theirs: theirs.get(path) }));
}

const withoutImpliedTimes = (line: string, path: string) =>
  implied.test(path) ? line.replace(/, mtime [0-9]+/, '') : line;

const images: [string, () => Promise<LayerInput[]>][] = [
  ['Debian with changes', async () => await debianLayers(directory, 'gzip')],
  ['thirty layers with deletes', async () => manyLayers()],
  ['thousands of hard links', async () => manyLinks()],
  ['capabilities, access lists and other attributes', async () => manyAttributes()],
];

describe.skipIf(!isRoot).each(images)('%s (needs root)', (_, layers) => {
  let work: string;
  let store: ImageStore;
  let ours: Map<string, string>;
  let erofs: string;

  beforeAll(async () => {
    work = await mkdtemp(join(directory, 'image-'));
    const layout = join(work, 'layout');
    await writeImageLayout(layout, { name: 'a', images: [{ architecture: 'amd64', layers: await layers() }] });
    store = await ImageStore.open(join(work, 'store'));
    const image = await importLayout(layout, { store, platform, reference: 'a' });
    const unpacked = await unpackImage(image, { store, directory: join(work, 'unpacked') });
    expect(unpacked.losses).toEqual({ owners: 0, xattrs: 0, devices: 0, examples: [] });
    ours = treeSnapshot(unpacked.rootfs);
    erofs = (await erofsImage(image, { store })).path;
    await exportLayout([image], join(work, 'exported'), { store });
  });

  test('is the same directory as from umoci', async () => {
    await run('umoci', ['unpack', '--image', `${join(work, 'layout')}:a`, join(work, 'bundle')]);
    const theirs = treeSnapshot(join(work, 'bundle', 'rootfs'));
    // umoci knows one of the two ways to write attributes into an archive, and takes an empty one for none.
    const known = (line: string, path: string) =>
      withoutImpliedTimes(line, path).replace(/, (user\.a:b [0-9a-f]*|user\.empty )/, '');
    expect(differences(ours, theirs, known)).toEqual([]);
    expect(ours.size).toBeGreaterThan(10);
  });

  test('is the same tree when read back from the EROFS image', async () => {
    const extracted = join(work, 'extracted');
    await run('fsck.erofs', [`--extract=${extracted}`, erofs]);
    const plain = (line: string) => line.replace(notExtracted, '').replace(/^mode 10[0-7]/, 'mode 100');
    expect(differences(ours, treeSnapshot(extracted), plain)).toEqual([]);
    const { stdout } = await run('dump.erofs', ['-s', erofs]);
    expect(stdout).toMatch(/Filesystem magic number:\s+0xE0F5E1E2/);
  });

  test('is the same tree, with its links and attributes, when Linux mounts the EROFS image', async ({ skip }) => {
    const mounted = join(work, 'mounted');
    await mkdir(mounted);
    try {
      await run('mount', ['-t', 'erofs', '-o', 'ro,loop', erofs, mounted]);
    } catch (error) {
      skip(`this kernel mounts no EROFS image: ${error}`);
    }
    try {
      expect(differences(ours, treeSnapshot(mounted), (line) => line)).toEqual([]);
    } finally {
      await run('umount', [mounted]);
    }
  });

  test('gives the same EROFS image, byte by byte, to a user without rights', async () => {
    const theirs = join(work, 'user');
    await mkdir(theirs);
    for (const path of [directory, work]) await chmod(path, 0o755);
    await run('chown', ['-R', '65534:65534', theirs]);
    const program = fileURLToPath(new URL('erofs-process.ts', import.meta.url));
    const { stdout } = await run(process.execPath, [program, join(work, 'exported'), join(theirs, 'store'), '65534']);
    expect((await readFile(stdout.trim())).equals(await readFile(erofs))).toBe(true);
  });
});
