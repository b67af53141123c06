// A Debian image of several layers, about 100 MB compressed: made once of packages, then kept in .cache.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';

const run = promisify(execFile);
const cache = fileURLToPath(new URL('../../.cache/bench-oci/', import.meta.url));

/** The packages of each layer, the lowest layer first. */
const layers = [
  ['base-files', 'bash', 'coreutils', 'dash', 'dpkg', 'libc-bin', 'libc6', 'login', 'passwd', 'perl-base', 'tzdata'],
  ['perl', 'perl-modules-5.36', 'libperl5.36', 'libicu72'],
  ['python3.11', 'python3.11-minimal', 'libpython3.11-minimal', 'libpython3.11-stdlib', 'vim-runtime'],
  ['git', 'git-man', 'cpp-12', 'libc6-dev', 'linux-libc-dev'],
  ['cmake-data'],
];

export interface BenchImage {
  /** A directory in OCI image-layout form. */
  readonly layout: string;
  /** Its name in the layout. */
  readonly name: string;
  readonly compressedBytes: number;
}

/** @param copies 2 gives an image of twice the size: every layer a second time, under another directory. */
export async function benchImage(copies: 1 | 2): Promise<BenchImage> {
  const layout = join(cache, `layout-${copies}`);
  const name = 'debian';
  if (!(await exists(layout))) {
    await mkdir(cache, { recursive: true });
    const staged = await mkdtemp(join(cache, 'staging-'));
    try {
      await makeLayout(staged, name, copies);
      await rename(staged, layout);
    } finally {
      await rm(staged, { recursive: true, force: true });
    }
  }
  const blobs = join(layout, 'blobs', 'sha256');
  const sizes = await Promise.all((await readdir(blobs)).map(async (blob) => (await stat(join(blobs, blob))).size));
  return { layout, name, compressedBytes: sizes.reduce((sum, size) => sum + size, 0) };
}

async function makeLayout(layout: string, name: string, copies: number): Promise<void> {
  const work = await mkdtemp(join(cache, 'work-'));
  const blobs = join(layout, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const descriptors: Descriptor[] = [];
  const diffIds: string[] = [];
  const add = async (archive: string) => {
    const { descriptor, diffId } = await addLayer(archive, blobs, work);
    descriptors.push(descriptor);
    diffIds.push(diffId);
  };
  try {
    for (const [index, packages] of layers.entries()) {
      const root = join(work, `root-${index}`);
      await unpackPackages(packages, root);
      for (let copy = 0; copy < copies; copy++) {
        const archive = join(work, 'layer.tar');
        const prefix = copy === 0 ? [] : ['--transform', `s,^\\./,./copy-${copy}/,`];
        await run('tar', ['-c', '--sort=name', '--numeric-owner', ...prefix, '-f', archive, '-C', root, '.']);
        await add(archive);
      }
      await rm(root, { recursive: true });
    }
    await add(await makeDeletions(work));
    const config = await addBlob(blobs, 'application/vnd.oci.image.config.v1+json', {
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/bin/bash'] },
      rootfs: { type: 'layers', diff_ids: diffIds },
    });
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const manifest = await addBlob(blobs, mediaType, { schemaVersion: 2, mediaType, config, layers: descriptors });
    const annotations = { 'org.opencontainers.image.ref.name': name };
    const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
    await writeFile(join(layout, 'index.json'), JSON.stringify(index));
    await writeFile(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

async function unpackPackages(packages: readonly string[], root: string): Promise<void> {
  const fresh = await mkdtemp(join(cache, 'download-'));
  try {
    await run('apt-get', ['download', '-q', ...packages], { cwd: fresh });
    await mkdir(root);
    for (const file of await readdir(fresh)) await run('dpkg-deb', ['-x', join(fresh, file), root]);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** The last layer hides a directory of each of two layers below. */
async function makeDeletions(work: string): Promise<string> {
  const root = join(work, 'deletions');
  await mkdir(join(root, 'usr/share'), { recursive: true });
  for (const name of ['.wh.zoneinfo', '.wh.doc']) await writeFile(join(root, 'usr/share', name), '');
  const archive = join(work, 'deletions.tar');
  await run('tar', ['-c', '--sort=name', '--numeric-owner', '-f', archive, '-C', root, '.']);
  return archive;
}

async function addLayer(
  archive: string,
  blobs: string,
  work: string,
): Promise<{ descriptor: Descriptor; diffId: string }> {
  const compressed = join(work, 'layer.gz');
  const [plain, packed] = [createHash('sha256'), createHash('sha256')];
  const watch = (hash: ReturnType<typeof createHash>) => new PassThrough().on('data', (chunk) => hash.update(chunk));
  const sink = createWriteStream(compressed);
  await pipeline(createReadStream(archive), watch(plain), createGzip(), watch(packed), sink);
  const hex = packed.digest('hex');
  const { size } = await stat(compressed);
  await rename(compressed, join(blobs, hex));
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  return { descriptor: { mediaType, digest: `sha256:${hex}`, size }, diffId: `sha256:${plain.digest('hex')}` };
}

async function addBlob(blobs: string, mediaType: string, content: unknown): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(content));
  const hex = createHash('sha256').update(bytes).digest('hex');
  await writeFile(join(blobs, hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
