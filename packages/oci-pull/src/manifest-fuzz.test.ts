import { describe, expect, test } from 'vitest';
import { chooseManifest } from './choose-manifest.ts';
import { digestOf } from './digest.ts';
import { OciError } from './errors.ts';
import { parseImageConfig } from './image-config.ts';
import type { ImageSource, ManifestDocument } from './image-source.ts';
import { type Descriptor, parseArtifact } from './manifest.ts';
import { mediaTypes } from './media-types.ts';
import { describeImage } from './stored-image.ts';
import { buildImage, buildIndex, toJsonBlob } from './testing/image-layout.ts';
import { damage, type Json, mutate, pick, type Random, randomFrom } from './testing/tampering.ts';

const iterations = 3000;
const signal = new AbortController().signal;
const platform = { os: 'linux', architecture: 'amd64' };

const layers = [{ content: [{ path: 'a' }] }, { content: [{ path: 'b' }] }];
const images = ['oci', 'docker'].flatMap((format) =>
  ['amd64', 'arm64'].map((architecture) =>
    buildImage({ architecture, layers, format: format === 'docker' ? 'docker' : 'oci', config: { Env: ['A=b'] } }),
  ),
);

/** A source whose documents all went through the mutator, each under the digest that it has afterwards. */
function hostileSource(random: Random): { source: ImageSource; root: ManifestDocument } {
  const documents = new Map<string, Buffer>();
  const image = images[random(images.length)] ?? buildImage({ architecture: 'amd64', layers });
  const change = (bytes: Buffer): Buffer => {
    if (random(3) === 0) return bytes;
    if (random(4) === 0) return damage(bytes, random);
    return Buffer.from(JSON.stringify(mutate(JSON.parse(bytes.toString('utf8')) as Json, random)));
  };
  const put = (bytes: Buffer, mediaType: string): Descriptor => {
    const digest = digestOf(bytes);
    documents.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const config = put(change(image.config.bytes), image.config.mediaType);
  const parsed = JSON.parse(image.manifest.bytes.toString('utf8')) as { [key: string]: Json };
  const changed = change(Buffer.from(JSON.stringify({ ...parsed, config: { ...config } })));
  let top = put(changed, image.manifest.mediaType);
  for (let depth = random(6); depth > 0; depth--) {
    const manifests = [{ ...top, ...(random(3) === 0 ? {} : { platform }) }];
    const mediaType = pick(random, [mediaTypes.ociIndex, mediaTypes.dockerIndex]);
    top = put(change(toJsonBlob(mediaType, { schemaVersion: 2, mediaType, manifests }).bytes), mediaType);
  }
  const read = async ({ digest }: Descriptor) => documents.get(digest) ?? Buffer.alloc(0);
  const root = { bytes: documents.get(top.digest) ?? Buffer.alloc(0), mediaType: top.mediaType, digest: top.digest };
  const source: ImageSource = {
    kind: 'registry',
    resolve: async () => root,
    resolveDigest: async () => root.digest,
    readDocument: read,
    openBlob: async () => ({ start: 0, content: (async function* () {})() }),
  };
  return { source, root };
}

describe(`of ${iterations} images whose documents were tampered with, each`, () => {
  test('is an image or a typed error', async () => {
    let good = 0;
    const reasons = new Set<string>();
    for (let seed = 1; seed <= iterations; seed++) {
      const { source, root } = hostileSource(randomFrom(seed));
      try {
        const { manifest, descriptor } = await chooseManifest(source, 'a.example/b:1', root, platform, signal);
        const config = await source.readDocument(manifest.config, 'blob', signal);
        const names = { name: 'b', origin: 'a.example/b:1', resolved: root.digest, source: source.kind };
        describeImage(
          { ...descriptor, ...names, platform },
          manifest,
          parseImageConfig(config, manifest.config.digest),
        );
        good += 1;
      } catch (error) {
        if (!(error instanceof OciError)) throw new Error(`seed ${seed}`, { cause: error });
        expect(error.message.length).toBeLessThan(20_000);
        reasons.add(error.reason);
      }
    }
    // Neither are all refused nor is nothing: the tampering reaches every check.
    expect(good).toBeGreaterThan(iterations / 50);
    for (const reason of ['INVALID_MANIFEST', 'INVALID_CONFIG', 'UNSUPPORTED_MEDIA_TYPE', 'LIMIT_EXCEEDED']) {
      expect(reasons).toContain(reason);
    }
  });

  test('names its parts or is a typed error, when it is taken for an artifact', () => {
    for (let seed = 1; seed <= iterations; seed++) {
      const random = randomFrom(seed);
      const blob = seed % 2 === 0 ? buildIndex(images.slice(0, 2)) : (images[seed % 4]?.manifest ?? buildIndex([]));
      const mutated = Buffer.from(JSON.stringify(mutate(JSON.parse(blob.bytes.toString('utf8')) as Json, random)));
      try {
        const parsed = parseArtifact(mutated, blob.mediaType, blob.digest);
        for (const part of parsed.kind === 'index' ? parsed.manifests : [parsed.config, ...parsed.layers]) {
          expect(part.digest).toMatch(/^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$/);
          expect(Number.isSafeInteger(part.size) && part.size >= 0).toBe(true);
        }
      } catch (error) {
        if (!(error instanceof OciError)) throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
});
