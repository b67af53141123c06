import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestOf } from './digest.ts';
import { OciError } from './errors.ts';
import { parseImageConfig } from './image-config.ts';
import { parseArtifact, parseManifest } from './manifest.ts';
import { mediaTypes } from './media-types.ts';
import { type Platform, platformRank } from './platform.ts';
import { buildImage } from './testing/image-layout.ts';

const digest = digestOf(Buffer.from('x'));
const layer = { mediaType: `${mediaTypes.ociLayer}+gzip`, digest, size: 1 };
const config = { mediaType: mediaTypes.ociConfig, digest, size: 1 };
const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [layer] };
const bytesOf = (document: unknown) => Buffer.from(JSON.stringify(document));
const parse = (document: unknown, type: string = mediaTypes.ociManifest) =>
  parseManifest(bytesOf(document), type, digest);

describe('a manifest', () => {
  test('is read, whether or not it says itself what it is', () => {
    const { mediaType: _, ...silent } = manifest;
    for (const type of [mediaTypes.ociManifest, `${mediaTypes.ociManifest}; charset=utf-8`]) {
      expect(parse(silent, type)).toMatchObject({ kind: 'manifest', layers: [layer] });
    }
    expect(parse(manifest, 'application/json')).toMatchObject({ kind: 'manifest' });
  });

  test.each<[string, unknown, string, string]>([
    ['two readers could take for different images', manifest, mediaTypes.dockerManifest, 'INVALID_MANIFEST'],
    ['is an index as well', { ...manifest, manifests: [] }, mediaTypes.ociManifest, 'INVALID_MANIFEST'],
    ['is of schema 1', { schemaVersion: 1, fsLayers: [] }, 'application/json', 'UNSUPPORTED_MEDIA_TYPE'],
    ['is of no known type', { layers: [] }, 'text/html', 'UNSUPPORTED_MEDIA_TYPE'],
    ['is an artifact', { ...manifest, config: { ...config, mediaType: 'a/b' } }, '', 'UNSUPPORTED_MEDIA_TYPE'],
    [
      'has a foreign layer',
      { ...manifest, layers: [{ ...layer, mediaType: `${mediaTypes.dockerLayer.replace('diff', 'foreign.diff')}` }] },
      '',
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'has a digest that is a path',
      { ...manifest, layers: [{ ...layer, digest: 'sha256:../x' }] },
      '',
      'INVALID_MANIFEST',
    ],
    ['has a negative size', { ...manifest, layers: [{ ...layer, size: -1 }] }, '', 'INVALID_MANIFEST'],
    ['has a size beyond counting', { ...manifest, layers: [{ ...layer, size: 2 ** 60 }] }, '', 'INVALID_MANIFEST'],
    ['has no config', { ...manifest, config: undefined }, '', 'INVALID_MANIFEST'],
    ['has layers that are no list', { ...manifest, layers: {} }, '', 'INVALID_MANIFEST'],
    ['has ten thousand layers', { ...manifest, layers: Array(10_000).fill(layer) }, '', 'LIMIT_EXCEEDED'],
    ['is a list', [], mediaTypes.ociManifest, 'INVALID_MANIFEST'],
    ['is null', null, mediaTypes.ociManifest, 'INVALID_MANIFEST'],
  ])('that %s is refused', (_, document, type, reason) => {
    expect(() => parse(document, type)).toThrow(expect.objectContaining({ reason }));
  });

  test('that is not JSON, or nested without end, is refused', () => {
    for (const text of ['<html>', '', '[', '{"layers":'.repeat(200_000), '\u0000']) {
      const reading = () => parseManifest(Buffer.from(text), mediaTypes.ociManifest, digest);
      expect(reading).toThrow(expect.objectContaining({ reason: 'INVALID_MANIFEST' }));
    }
    const badUtf8 = Buffer.from([0x22, 0xff, 0x22]);
    expect(() => parseManifest(badUtf8, mediaTypes.ociManifest, digest)).toThrow(OciError);
  });

  test('of any shape ends in an image or in a typed error', () => {
    const shapes = fc.record(
      {
        mediaType: fc.oneof(fc.constantFrom(...Object.values(mediaTypes)), fc.jsonValue()),
        config: fc.oneof(fc.constant(config), fc.jsonValue()),
        layers: fc.oneof(fc.array(fc.oneof(fc.constant(layer), fc.jsonValue())), fc.jsonValue()),
        manifests: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(shapes, (document) => {
        try {
          parse(document, '');
        } catch (error) {
          expect(error).toBeInstanceOf(OciError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('an artifact', () => {
  const artifact = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType: 'application/vnd.example.thing',
    config: { ...config, mediaType: mediaTypes.ociEmpty },
    layers: [{ ...layer, mediaType: 'any/thing', annotations: { a: 'b' } }],
    annotations: { c: 'd' },
  };
  const read = (document: unknown) => parseArtifact(bytesOf(document), '', digest);

  test('is read with its notes, whatever its layers are', () => {
    expect(read(artifact)).toMatchObject({
      kind: 'artifact',
      artifactType: 'application/vnd.example.thing',
      layers: [{ mediaType: 'any/thing', annotations: { a: 'b' } }],
      annotations: { c: 'd' },
    });
  });

  test('of the old kind says by its config what it is', () => {
    const { artifactType: _, ...old } = { ...artifact, config: { ...config, mediaType: 'application/vnd.old' } };
    expect(read(old)).toMatchObject({ artifactType: 'application/vnd.old' });
  });

  test.each<[string, unknown]>([
    ['annotations that are none', { ...artifact, annotations: { a: 1 } }],
    ['no config', { ...artifact, config: undefined }],
    ['an index in it', { ...artifact, manifests: [] }],
  ])('with %s is refused', (_, document) => {
    expect(() => read(document)).toThrow(expect.objectContaining({ reason: 'INVALID_MANIFEST' }));
  });
});

test('a foreign layer and an unknown one are told apart', () => {
  const withLayer = (mediaType: string) => () => parse({ ...manifest, layers: [{ ...layer, mediaType }] });
  for (const type of [
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  ]) {
    expect(withLayer(type)).toThrow(/is foreign/);
  }
  expect(withLayer(`${mediaTypes.ociLayer}+gzip+encrypted`)).toThrow(/is of type .*encrypted/);
});

describe('a config', () => {
  test('tells how the image wants to be run', () => {
    const built = buildImage({
      architecture: 'arm64',
      variant: 'v8',
      layers: [{ content: [] }],
      config: {
        Entrypoint: ['/entry'],
        Cmd: ['a', 'b'],
        Env: ['A=b'],
        WorkingDir: '/work',
        User: '1000:1000',
        StopSignal: 'SIGINT',
        ExposedPorts: { '80/tcp': {} },
        Volumes: { '/data': {} },
        Labels: { a: 'b', ['__proto__']: 'c' },
      },
    });
    const { diffIds, labels, ...rest } = parseImageConfig(built.config.bytes, built.config.digest);
    expect(rest).toEqual({
      os: 'linux',
      architecture: 'arm64',
      variant: 'v8',
      entrypoint: ['/entry'],
      cmd: ['a', 'b'],
      env: ['A=b'],
      workingDir: '/work',
      user: '1000:1000',
      stopSignal: 'SIGINT',
      exposedPorts: ['80/tcp'],
      volumes: ['/data'],
    });
    expect(diffIds).toHaveLength(1);
    expect(Object.entries(labels)).toEqual([
      ['a', 'b'],
      ['__proto__', 'c'],
    ]);
  });

  const good = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [digest] } };
  test('may leave out or null what it does not care about', () => {
    const document = { ...good, config: { Cmd: null, Env: null, Labels: null } };
    expect(parseImageConfig(bytesOf(document), digest)).toMatchObject({ entrypoint: [], cmd: [], env: [], user: '' });
    expect(parseImageConfig(bytesOf({ ...good, config: null }), digest)).toMatchObject({ cmd: [] });
  });

  test.each<[string, unknown]>([
    ['Cmd', { ...good, config: { Cmd: 'sh' } }],
    ['Env', { ...good, config: { Env: [1] } }],
    ['Entrypoint', { ...good, config: { Entrypoint: ['a\0b'] } }],
    ['Labels', { ...good, config: { Labels: { a: 1 } } }],
    ['config', { ...good, config: [] }],
    ['os', { ...good, os: undefined }],
    ['rootfs', { ...good, rootfs: undefined }],
    ['diff_ids', { ...good, rootfs: { diff_ids: ['sha256:x'] } }],
  ])('with a wrong %s is refused with its name', (field, document) => {
    const reading = () => parseImageConfig(bytesOf(document), digest);
    expect(reading).toThrow(expect.objectContaining({ reason: 'INVALID_CONFIG' }));
    expect(reading).toThrow(field);
  });
});

test('the best platform that runs is chosen, never one that does not', () => {
  const linux = (architecture: string, variant?: string): Platform =>
    variant === undefined ? { os: 'linux', architecture } : { os: 'linux', architecture, variant };
  expect(platformRank(linux('arm64'), linux('arm64', 'v8'))).toBe(0);
  expect(platformRank(linux('arm64', 'v8'), linux('arm64'))).toBe(1);
  expect(platformRank(linux('arm64'), linux('arm64', 'v9'))).toBeUndefined();
  expect(platformRank(linux('arm', 'v7'), linux('arm', 'v6'))).toBe(1);
  expect(platformRank(linux('arm', 'v6'), linux('arm', 'v7'))).toBeUndefined();
  expect(platformRank(linux('amd64'), linux('amd64', 'v3'))).toBeUndefined();
  expect(platformRank(linux('amd64'), linux('arm64'))).toBeUndefined();
  expect(platformRank(linux('amd64'), linux('amd64', 'v1'))).toBe(0);
  expect(platformRank(linux('amd64', 'v3'), linux('amd64', 'v3'))).toBe(0);
  expect(platformRank(linux('amd64', 'v3'), linux('amd64', 'v2'))).toBe(1);
  expect(platformRank(linux('amd64', 'v3'), linux('amd64'))).toBe(3);
  expect(platformRank(linux('amd64', 'v2'), linux('amd64', 'v3'))).toBeUndefined();
  expect(platformRank(linux('arm', 'v7'), linux('arm', 'v5'))).toBe(2);
  expect(platformRank(linux('arm64', 'v9'), linux('arm64', 'v8'))).toBe(1);
  expect(platformRank(linux('arm64', 'v8.2'), linux('arm64', 'v8'))).toBe(1);
  expect(platformRank(linux('riscv64'), linux('riscv64'))).toBe(0);
  expect(platformRank(linux('odd', 'x'), linux('odd', 'y'))).toBeUndefined();
  expect(platformRank(linux('amd64'), { os: 'windows', architecture: 'amd64' })).toBeUndefined();
});
