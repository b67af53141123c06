import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PushArtifactInput } from '@zlayer/oci-pull';
import { type RegistryServer, startRegistry } from '@zlayer/oci-pull/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BUNDLE_FILES, type DiskProgress, pullTartImage } from '../src/index.ts';
import { CONFIG, makeDisk, pushTartImage } from '../test/tart-image.ts';

const MIB = 1024 ** 2;

describe('a Tart image, from a real registry', () => {
  let place: string;
  let directory: string;
  let registry: RegistryServer;
  const disk = makeDisk(20 * MIB);
  const name = (tag: string): string => `${registry.host}/macos:${tag}`;

  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), 'zlayer-tart-'));
    registry = await startRegistry();
    await pushTartImage(name('base'), { disk, chunkBytes: 3 * MIB });
  }, 60_000);
  afterAll(async () => {
    await registry?.close();
    await rm(place, { recursive: true, force: true });
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(place, 'images-'));
  });

  it('becomes a bundle with its disk, byte for byte, and its holes', async () => {
    const told: DiskProgress[] = [];
    const { folder, manifest } = await pullTartImage(name('base'), {
      directory,
      onProgress: (progress) => {
        if (progress.type === 'disk') told.push(progress);
      },
    });
    expect((await readFile(join(folder, BUNDLE_FILES.disk))).equals(disk)).toBe(true);
    expect((await stat(join(folder, BUNDLE_FILES.disk))).blocks * 512).toBeLessThan(disk.length / 2);
    expect(await readFile(join(folder, BUNDLE_FILES.hardwareModel), 'utf8')).toBe('hardware-model:2');
    expect(await readFile(join(folder, BUNDLE_FILES.auxiliaryStorage), 'utf8')).toBe('auxiliary-storage:2');
    expect(manifest).toMatchObject({
      ...{ version: 1, os: 'darwin', diskBytes: disk.length, display: { width: 1920, height: 1200 } },
      ...{ cpus: { least: 2, wanted: 4 }, memoryBytes: { least: 2048 * MIB, wanted: 8192 * MIB } },
      source: { reference: name('base') },
    });
    expect(told.at(-1)).toEqual({ type: 'disk', bytes: disk.length, total: disk.length });
    // It is there now: nothing is written anew.
    const { mtimeMs } = await stat(join(folder, BUNDLE_FILES.disk));
    expect((await pullTartImage(name('base'), { directory })).folder).toBe(folder);
    expect((await stat(join(folder, BUNDLE_FILES.disk))).mtimeMs).toBe(mtimeMs);
    expect((await readdir(join(directory, 'bundles'))).filter((file) => file.endsWith('.partial'))).toEqual([]);
  });

  it('fetches no piece that an image which is there has as well', async () => {
    await pullTartImage(name('base'), { directory });
    const newer = Buffer.from(disk);
    newer.write('changed', 10 * MIB);
    await pushTartImage(name('newer'), { disk: newer, chunkBytes: 3 * MIB });
    const states: string[] = [];
    const { folder } = await pullTartImage(name('newer'), {
      directory,
      onProgress: (progress) => {
        if (progress.type === 'blob' && progress.state !== 'downloading') states.push(progress.state);
      },
    });
    expect(states.filter((state) => state === 'done')).toHaveLength(1);
    expect(states.filter((state) => state === 'exists').length).toBeGreaterThan(6);
    expect((await readFile(join(folder, BUNDLE_FILES.disk))).equals(newer)).toBe(true);
  });

  it('goes on where a pull was killed, at whatever moment', async () => {
    const script = join(import.meta.dirname, 'pull-process.ts');
    let killed = 0;
    for (let after = 2; ; after += 2) {
      const child = spawn(process.execPath, [script, name('base'), directory], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let lines = 0;
      let text = '';
      child.stdout.on('data', (data) => {
        text += String(data);
        lines += String(data).split('\n').length - 1;
        if (lines >= after && !text.includes('done')) child.kill('SIGKILL');
      });
      const [code] = await once(child, 'close');
      if (code === 0) break;
      killed += 1;
      expect(await readdir(join(directory, 'bundles'))).not.toContain('manifest.json');
    }
    expect(killed).toBeGreaterThan(1);
    const { folder } = await pullTartImage(name('base'), { directory });
    expect((await readFile(join(folder, BUNDLE_FILES.disk))).equals(disk)).toBe(true);
  }, 60_000);

  it('is made once by several who pull it at the same time', async () => {
    const all = await Promise.all([1, 2, 3].map(() => pullTartImage(name('base'), { directory })));
    expect(new Set(all.map(({ folder }) => folder)).size).toBe(1);
    expect((await readFile(join(all[0]?.folder ?? '', BUNDLE_FILES.disk))).equals(disk)).toBe(true);
  });

  it('is given up when it is told to, and the bundle is not seen', async () => {
    const abort = new AbortController();
    const pulling = pullTartImage(name('base'), {
      ...{ directory, signal: abort.signal },
      onProgress: (progress) => {
        if (progress.type === 'disk') abort.abort(new Error('changed my mind'));
      },
    });
    await expect(pulling).rejects.toThrow('changed my mind');
    expect((await readdir(join(directory, 'bundles'))).every((file) => /\.(partial|lock)$/.test(file))).toBe(true);
  });

  it('is made anew where its bundle is damaged', async () => {
    const { folder } = await pullTartImage(name('base'), { directory });
    await writeFile(join(folder, BUNDLE_FILES.manifest), '{"version":1');
    await truncate(join(folder, BUNDLE_FILES.disk), 1);
    await pullTartImage(name('base'), { directory });
    expect((await readFile(join(folder, BUNDLE_FILES.disk))).equals(disk)).toBe(true);
  });

  const small = makeDisk(2 * MIB);
  const changed =
    (index: number, change: (layer: PushArtifactInput['layers'][number]) => object) =>
    (input: PushArtifactInput): PushArtifactInput => ({
      ...input,
      layers: input.layers.map((layer, at) =>
        at === index ? ({ ...layer, ...change(layer) } as typeof layer) : layer,
      ),
    });
  const annotated = (key: string, value: string) =>
    changed(1, ({ annotations }) => ({ annotations: { ...annotations, [key]: value } }));

  it.each([
    [
      'another raw digest',
      annotated('org.cirruslabs.tart.uncompressed-content-digest', `sha256:${'0'.repeat(64)}`),
      /is sha256:/,
    ],
    ['no raw digest', annotated('org.cirruslabs.tart.uncompressed-content-digest', 'none'), /has no .*content-digest/],
    [
      'a raw size that is too small',
      annotated('org.cirruslabs.tart.uncompressed-size', '512'),
      /is said to have|more than 512/,
    ],
    [
      'a raw size that cannot be',
      annotated('org.cirruslabs.tart.uncompressed-size', '-1'),
      /has no .*uncompressed-size/,
    ],
    [
      'a raw size that is far too large',
      annotated('org.cirruslabs.tart.uncompressed-size', '999999999999'),
      /uncompressed-size/,
    ],
    ['content that is not compressed', changed(1, () => ({ bytes: Buffer.from('plain') })), /begins no block/],
    ['content that is cut off', changed(1, ({ bytes }) => ({ bytes: bytes?.subarray(0, -20) })), /cut off/],
    [
      'another disk size',
      (input: PushArtifactInput) => ({ ...input, annotations: { 'org.cirruslabs.tart.uncompressed-disk-size': '1' } }),
      /is said to have 1 bytes/,
    ],
    [
      'no disk',
      (input: PushArtifactInput) => ({
        ...input,
        layers: input.layers.filter(({ mediaType }) => !mediaType.includes('disk')),
      }),
      /has no disk/,
    ],
    [
      'no auxiliary storage',
      (input: PushArtifactInput) => ({ ...input, layers: input.layers.slice(0, -1) }),
      /has no .*nvram/,
    ],
    [
      'two configurations',
      (input: PushArtifactInput) => ({ ...input, layers: [...input.layers, ...input.layers.slice(0, 1)] }),
      /twice/,
    ],
    [
      'a configuration that is none',
      changed(0, () => ({ bytes: Buffer.from('[]') })),
      /configuration .* is none of Tart's/,
    ],
    [
      'a configuration without a model',
      changed(0, () => ({ bytes: Buffer.from(JSON.stringify({ ...CONFIG, hardwareModel: undefined })) })),
      /hardwareModel/,
    ],
  ])('with %s is refused, and says so', async (what, change, why) => {
    const tag = what.replaceAll(' ', '-');
    await pushTartImage(name(tag), { disk: small, chunkBytes: MIB, change });
    await expect(pullTartImage(name(tag), { directory })).rejects.toMatchObject({
      ...{ code: 'PULL_FAILED', message: expect.stringMatching(why) },
    });
  });

  it('with a disk in another form is not supported, and says which', async () => {
    const old = (input: PushArtifactInput): PushArtifactInput => ({
      ...input,
      layers: input.layers.map((layer) => ({ ...layer, mediaType: layer.mediaType.replace('disk.v2', 'disk.v1') })),
    });
    await pushTartImage(name('old'), { disk: small, chunkBytes: MIB, change: old });
    await expect(pullTartImage(name('old'), { directory })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    const labelled = (input: PushArtifactInput): PushArtifactInput => ({
      ...input,
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        bytes: Buffer.from('{"config":{"Labels":{"org.cirruslabs.tart.disk.format":"qcow2"}}}'),
      },
    });
    await pushTartImage(name('labelled'), { disk: small, chunkBytes: MIB, change: labelled });
    await expect(pullTartImage(name('labelled'), { directory })).rejects.toMatchObject({
      ...{ code: 'UNSUPPORTED', message: expect.stringContaining('qcow2') },
    });
    await pushTartImage(name('asif'), { disk: small, chunkBytes: MIB, config: { ...CONFIG, diskFormat: 'asif' } });
    await expect(pullTartImage(name('asif'), { directory })).rejects.toMatchObject({
      ...{ code: 'UNSUPPORTED', message: expect.stringContaining('asif') },
    });
  });
});
