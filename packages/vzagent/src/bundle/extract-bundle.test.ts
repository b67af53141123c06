import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type TarInput, writeTar } from '@zlayer/oci-pull/testing';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { formatBundleManifest, parseBundleManifest } from './bundle-manifest.ts';
import { writeBundleTar } from './bundle-tar.ts';
import { extractBundle } from './extract-bundle.ts';

const contents = { kernel: randomBytes(70_000), initramfs: randomBytes(3000), volumeTemplate: randomBytes(512) };

function manifest(changes: object = {}): string {
  const describe = (bytes: Uint8Array) => ({
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
  const whole = {
    formatVersion: 1 as const,
    architecture: 'amd64' as const,
    kernelVersion: '6.1.0',
    agentVersion: '0.0.0',
    agentSha256: '0'.repeat(64),
    modules: ['virtio.ko'],
    inputs: { kernel: { package: 'k', version: '1' }, volumeTemplate: { package: 'e', version: '1' } },
    files: {
      kernel: describe(contents.kernel),
      initramfs: describe(contents.initramfs),
      volumeTemplate: describe(contents.volumeTemplate),
    },
    ...changes,
  };
  return formatBundleManifest(whole);
}

const files = {
  kernel: { path: 'vz-linux/Image', content: contents.kernel },
  initramfs: { path: 'vz-linux/initramfs.cpio.gz', content: gzipSync(contents.initramfs) },
  volumeTemplate: { path: 'vz-linux/volume-template.gz', content: contents.volumeTemplate },
  manifest: { path: 'vz-linux/manifest.json', content: manifest() },
} satisfies Record<string, TarInput>;

/** Gives an archive in pieces of odd lengths. */
async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 777) yield bytes.subarray(at, at + 777);
}

describe('the layers of a bundle', () => {
  const folders: string[] = [];
  let outside: string;
  let folder: string;

  beforeEach(async () => {
    outside = await mkdtemp(join(tmpdir(), 'vzagent-extract-'));
    folders.push(outside);
    folder = join(outside, 'inside');
    await mkdir(folder);
  });

  afterAll(async () => {
    for (const each of folders) await rm(each, { recursive: true, force: true });
  });

  const extractArchives = (...archives: Uint8Array[]) =>
    extractBundle(
      archives.map((archive) => () => inPieces(archive)),
      folder,
      'registry.example/bundle',
    );
  const extract = (...entries: TarInput[]) => extractArchives(gzipSync(writeTar(entries)));
  const all = Object.values(files);

  it('are unpacked as they were packed, in one archive or in many', async () => {
    await extract({ path: 'vz-linux/', type: 'directory' }, ...all);
    expect(await readFile(join(folder, 'Image'))).toEqual(contents.kernel);
    expect(await readFile(join(folder, 'initramfs.cpio'))).toEqual(contents.initramfs);
    expect(await readFile(join(folder, 'volume-template.gz'))).toEqual(contents.volumeTemplate);
    const read = await readFile(join(folder, 'manifest.json'));
    expect(parseBundleManifest(read, 'it')).toMatchObject({ architecture: 'amd64', kernelVersion: '6.1.0' });

    await rm(folder, { recursive: true });
    await mkdir(folder);
    const packed = all.map(({ path, content }) =>
      gzipSync(writeBundleTar('vz-linux', path.replace('vz-linux/', ''), Buffer.from(content))),
    );
    await extractArchives(...packed);
    expect((await readdir(folder)).sort()).toEqual(['Image', 'initramfs.cpio', 'manifest.json', 'volume-template.gz']);
  });

  it.each(Object.keys(files))('are refused without %s', async (missing) => {
    const rest = Object.entries(files).filter(([kind]) => kind !== missing);
    await expect(extract(...rest.map(([, file]) => file))).rejects.toMatchObject({
      code: 'PULL_FAILED',
      message: expect.stringContaining('it has no '),
    });
  });

  it.each<[string, TarInput]>([
    ['another byte', { ...files.kernel, content: Buffer.from(contents.kernel).fill(1, 5, 6) }],
    ['another length', { ...files.kernel, content: contents.kernel.subarray(1) }],
  ])('are refused when a file has %s than the manifest says', async (_, kernel) => {
    await expect(extract(kernel, files.initramfs, files.volumeTemplate, files.manifest)).rejects.toMatchObject({
      code: 'PULL_FAILED',
      message: expect.stringContaining('Image is not what its manifest.json says'),
    });
  });

  it.each<[string, TarInput]>([
    ['a path that leads out', { path: '../escaped' }],
    ['a path that leads out from inside', { path: 'vz-linux/../../escaped' }],
    ['an absolute path', { path: '/tmp/vzagent-escaped' }],
    ['an unknown name', { path: 'vz-linux/more' }],
    ['a name in another letter case', { path: 'vz-linux/image' }],
    ['a link out', { path: 'vz-linux/Image', type: 'symlink', linkPath: '/etc/passwd' }],
    ['a hard link', { path: 'vz-linux/Image', type: 'hardlink', linkPath: 'vz-linux/manifest.json' }],
    ['a device', { path: 'vz-linux/Image', type: 'block', deviceMajor: 8, deviceMinor: 0 }],
    ['a pipe', { path: 'vz-linux/Image', type: 'fifo' }],
    ['an extension of the format', { ...files.kernel, pax: { path: 'vz-linux/../../escaped' } }],
    ['a file twice', files.manifest],
  ])('are refused with %s', async (_, hostile) => {
    await expect(extract(files.manifest, hostile, ...all.slice(0, 3))).rejects.toMatchObject({ code: 'PULL_FAILED' });
    expect(await readdir(outside)).toEqual(['inside']);
    for (const name of await readdir(folder)) expect(['manifest.json', 'Image']).toContain(name);
  });

  it('are refused when they are damaged, cut off, too long or a bomb', async () => {
    const archive = writeTar(all);
    const header = Buffer.from(archive);
    header[0] = 'w'.charCodeAt(0);
    const huge = { ...files.kernel, content: Buffer.alloc(129 * 1024 ** 2) };
    const bomb = { ...files.initramfs, content: gzipSync(Buffer.alloc(65 * 1024 ** 2)) };
    const hostile: Record<string, Uint8Array> = {
      'no gzip': archive,
      'half of the gzip': gzipSync(archive).subarray(0, 40_000),
      'half of the archive': gzipSync(archive.subarray(0, 40_000)),
      'a changed header': gzipSync(header),
      'more behind the end': gzipSync(Buffer.concat([archive, Buffer.alloc(512, 1)])),
      'endless zeroes': gzipSync(Buffer.concat([archive, Buffer.alloc(1024 ** 2)])),
      'a huge file': gzipSync(writeTar([huge])),
      'a small file that becomes huge': gzipSync(writeTar([bomb])),
      'an initramfs that is not compressed': gzipSync(
        writeTar([{ ...files.initramfs, content: contents.initramfs }, files.kernel, files.manifest]),
      ),
    };
    for (const [what, bytes] of Object.entries(hostile)) {
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder);
      await expect(extractArchives(bytes), what).rejects.toMatchObject({ code: 'PULL_FAILED' });
    }
  });

  it.each<[string, string]>([
    ['no JSON', '{'],
    ['of another format', manifest({ formatVersion: 2 })],
    ['for an unknown processor', manifest({ architecture: '../amd64' })],
    ['with more than it may have', manifest({ path: '/etc' })],
    ['too long', `${manifest()}${' '.repeat(300 * 1024)}`],
  ])('are refused with a manifest that is %s', async (_, content) => {
    const rest = [files.kernel, files.initramfs, files.volumeTemplate];
    await expect(extract(...rest, { ...files.manifest, content })).rejects.toMatchObject({ code: 'PULL_FAILED' });
  });
});
