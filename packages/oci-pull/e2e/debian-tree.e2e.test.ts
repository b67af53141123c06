import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ImageStore, importLayout, unpackImage } from '../src/index.ts';
import { writeImageLayout } from '../src/testing/index.ts';
import { debianLayers } from './debian-image.ts';
import { treeSnapshot } from './tree-snapshot.ts';

const run = promisify(execFile);
const platform = { os: 'linux', architecture: 'amd64' };

/** Directories that no entry describes have the time of unpacking with umoci, and so has the root. */
const implied = /^(\.|opt(\/long-directory-name[^/]*|\/no(\/directory(\/entries)?)?)?)$/;

function withoutImpliedTime(path: string, tree: Map<string, string>): string | undefined {
  const line = tree.get(path);
  return implied.test(path) ? line?.replace(/, mtime [0-9]+/, '') : line;
}

describe.skipIf(process.getuid?.() !== 0)('a Debian image of several layers (needs root)', () => {
  let directory: string;
  let ours: Map<string, string>;
  let theirs: Map<string, string>;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'zlayer-debian-'));
    const layout = join(directory, 'layout');
    // Older versions of umoci know no zstd: they get the same archives, compressed otherwise.
    for (const compression of ['gzip', 'zstd'] as const) {
      const layers = await debianLayers(directory, compression);
      await writeImageLayout(layout, { name: compression, images: [{ architecture: 'amd64', layers }] });
    }
    await run('umoci', ['unpack', '--image', `${layout}:gzip`, join(directory, 'bundle')]);
    theirs = treeSnapshot(join(directory, 'bundle', 'rootfs'));

    const store = await ImageStore.open(join(directory, 'store'));
    const image = await importLayout(layout, { store, platform, name: 'zstd', reference: 'example.com/debian:test' });
    const { rootfs, losses } = await unpackImage(image, { store, directory: join(directory, 'unpacked') });
    expect(losses).toEqual({ owners: 0, xattrs: 0, devices: 0, examples: [] });
    ours = treeSnapshot(rootfs);
  });

  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  test('unpacks to the same tree as with umoci: types, modes, owners, links, devices, times and contents', () => {
    const differences = [...new Set([...ours.keys(), ...theirs.keys()])]
      .filter((path) => withoutImpliedTime(path, ours) !== withoutImpliedTime(path, theirs))
      .map((path) => ({ path, ours: ours.get(path), theirs: theirs.get(path) }));
    expect(differences).toEqual([]);
    expect(ours.size).toBeGreaterThan(700);
  });

  test('has really been changed by its upper layers', () => {
    const has = (path: string) => ours.has(path);
    expect(['usr/bin/base64', 'usr/share/zoneinfo', 'usr/bin/perl', 'opt/closed/file'].filter(has)).toEqual([]);
    expect([...ours.keys()].filter((path) => path.startsWith('usr/share/doc/'))).toEqual([
      'usr/share/doc/bash',
      'usr/share/doc/bash/after',
      'usr/share/doc/before',
    ]);
    expect(ours.get('etc/debian_version')).toMatch(/^mode 100644/);
    expect(ours.get('usr/share/base-files')).toMatch(/^mode 40755/);
    expect(ours.get('usr/lib/through-a-symlink')).toBeDefined();
    expect(ours.get('usr/bin/su')).toMatch(/^mode 104755, owner 0:0/);
    expect(ours.get('opt/closed')).toMatch(/^mode 40555/);
    expect(ours.get('dev/null')).toMatch(/^mode 20666/);
  });
});
