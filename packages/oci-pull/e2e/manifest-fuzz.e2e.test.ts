import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ImageStore, OciError, pullImage, verifyStore } from '../src/index.ts';
import { type BuiltImage, buildImage } from '../src/testing/index.ts';
import { damage, type Json, mutate, type Random, randomFrom } from '../src/testing/tampering.ts';
import { serveImage, startHttpServer } from './http-server.ts';

const iterations = 150;
const platform = { os: 'linux', architecture: 'amd64' };
const layers = [{ content: [{ path: 'a', content: 'a' }] }, { content: [{ path: 'b' }] }];

/** The image with one of its documents changed; half of the time the manifest names the changed config rightly. */
function tampered(random: Random): BuiltImage {
  const image = buildImage({ architecture: 'amd64', layers, format: random(2) === 0 ? 'oci' : 'docker' });
  const change = (bytes: Buffer): Buffer =>
    random(4) === 0
      ? damage(bytes, random)
      : Buffer.from(JSON.stringify(mutate(JSON.parse(bytes.toString('utf8')) as Json, random)));
  const which = random(2) === 0 ? 'manifest' : 'config';
  const bytes = change(image[which].bytes);
  return { ...image, [which]: { ...image[which], bytes, size: bytes.length } };
}

test(`${iterations} registries whose documents were tampered with give an image or a typed error each`, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'zlayer-fuzz-'));
  let served = tampered(randomFrom(0));
  await using registry = await startHttpServer((...request) => serveImage(served)(...request));
  try {
    const store = await ImageStore.open(directory);
    const reasons = new Set<string>();
    for (let seed = 1; seed <= iterations; seed++) {
      served = tampered(randomFrom(seed));
      try {
        await pullImage(`${registry.host}/fuzz:${seed}`, { store, platform });
      } catch (error) {
        if (!(error instanceof OciError)) throw new Error(`seed ${seed}`, { cause: error });
        reasons.add(error.reason);
      }
    }
    expect(reasons).toContain('INVALID_MANIFEST');
    expect(reasons.size).toBeGreaterThan(2);
    expect(await verifyStore(store)).toMatchObject({ damaged: [], missing: [] });
    // Of what was refused nothing is recorded.
    expect((await store.list()).length).toBeLessThan(iterations);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}, 120_000);
