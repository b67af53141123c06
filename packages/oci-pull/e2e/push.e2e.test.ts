import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  ImageStore,
  importLayout,
  type PushProgress,
  pullArtifact,
  pullImage,
  pushArtifact,
  pushImage,
} from '../src/index.ts';
import { descriptorOf, toBlob, toJsonBlob } from '../src/testing/image-layout.ts';
import { buildImage, type RegistryServer, startRegistry, writeImageLayout } from '../src/testing/index.ts';
import { forwardTo, startHttpServer } from './http-server.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };
const arm64 = { os: 'linux', architecture: 'arm64' };
const thingType = 'application/vnd.example.thing.v1';
const noise = randomBytes(1_500_000);
const layers = [
  { content: [{ path: 'noise', content: noise }], compression: 'none' as const },
  { content: [{ path: 'small', content: 'small' }] },
];

let directory: string;
let registry: RegistryServer;
let store: ImageStore;
let other: ImageStore;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-push-'));
  registry = await startRegistry();
  const layout = join(directory, 'layout');
  await writeImageLayout(layout, { name: 'one', images: [{ architecture: 'amd64', layers }] });
  const images = ['amd64', 'arm64'].map((architecture) => ({ architecture, layers }));
  await writeImageLayout(layout, { name: 'two', images });
});

beforeEach(async () => {
  store = await ImageStore.open(await mkdtemp(join(directory, 'store-')));
  other = await ImageStore.open(await mkdtemp(join(directory, 'other-')));
});

afterAll(async () => {
  await registry?.close();
  await rm(directory, { recursive: true, force: true });
});

const imported = (name: string, reference: string, platform = amd64) =>
  importLayout(join(directory, 'layout'), { store, platform, name, reference });

describe('an image that is pushed', () => {
  test('comes back byte for byte', async () => {
    const name = `${registry.host}/pushed/app:1`;
    const image = await imported('one', name);
    const events: PushProgress[] = [];
    const pushed = await pushImage(store, name, { chunkSize: 400_000, onProgress: (event) => events.push(event) });
    expect(pushed).toEqual({ reference: name, digest: image.digest });
    const back = await pullImage(name, { store: other, platform: amd64 });
    expect(back.digest).toBe(image.digest);
    for (const { digest } of image.layers) {
      expect(await readFile(other.blobPath(digest))).toEqual(await readFile(store.blobPath(digest)));
    }
    for (const { digest, size } of [image.manifest.config, ...image.layers]) {
      const own = events.filter((event) => event.digest === digest);
      expect(own[0]).toMatchObject({ state: 'waiting', bytes: 0, total: size });
      expect(own.at(-1)).toMatchObject({ state: 'done', bytes: size, total: size });
      const counts = own.map(({ bytes }) => bytes);
      expect(counts).toEqual(counts.toSorted((one, two) => one - two));
    }
    expect(events.at(-1)?.rate).toBeGreaterThan(0);
  });

  test('does not send what the registry has', async () => {
    const name = `${registry.host}/pushed/again:1`;
    await imported('one', name);
    await pushImage(store, name);
    const events: PushProgress[] = [];
    await pushImage(store, name, { onProgress: (event) => events.push(event) });
    expect(new Set(events.map(({ state }) => state))).toEqual(new Set(['waiting', 'exists']));
  });

  test('takes its blobs from another repository of the same registry', async () => {
    const name = `${registry.host}/mount/from:1`;
    await imported('one', name);
    await pushImage(store, name);
    const target = `${registry.host}/mount/to:2`;
    const events: PushProgress[] = [];
    await pushImage(store, name, { target, onProgress: (event) => events.push(event) });
    expect(new Set(events.map(({ state }) => state))).toEqual(new Set(['waiting', 'mounted']));
    expect((await pullImage(target, { store: other, platform: amd64 })).layers).toHaveLength(2);
  });

  test('for several platforms is an index that each platform finds itself in', async () => {
    const name = `${registry.host}/pushed/multi:1`;
    const one = await imported('two', name, amd64);
    const two = await imported('two', name, arm64);
    const { digest } = await pushImage(store, name);
    for (const [platform, image] of [
      [amd64, one],
      [arm64, two],
    ] as const) {
      const back = await pullImage(name, { store: other, platform });
      expect(back).toMatchObject({ digest: image.digest, resolved: digest });
    }
    const single = await pushImage(store, name, { platform: arm64, target: `${registry.host}/pushed/multi:arm` });
    expect(single.digest).toBe(two.digest);
  });

  test('that the store does not have, or has not whole, is not pushed', async () => {
    const name = `${registry.host}/pushed/broken:1`;
    await expect(pushImage(store, name)).rejects.toMatchObject({ reason: 'IMAGE_UNKNOWN' });
    const { layers: stored } = await imported('one', name);
    await rm(store.blobPath(stored[0]?.digest ?? 'sha256:'));
    await expect(pushImage(store, name)).rejects.toMatchObject({ reason: 'BLOB_UNKNOWN' });
    await expect(pullImage(name, { store: other, platform: amd64 })).rejects.toMatchObject({ reason: 'IMAGE_UNKNOWN' });
  });
});

describe('an artifact', () => {
  test('of files and bytes of any type is pushed and pulled back, with its notes', async () => {
    const file = join(directory, 'kernel');
    await writeFile(file, noise);
    const reference = `${registry.host}/artifacts/kernel:6.1`;
    const pushed = await pushArtifact({
      reference,
      artifactType: thingType,
      layers: [
        { mediaType: 'application/vnd.example.kernel', file, annotations: { 'org.example.name': 'vmlinuz' } },
        { mediaType: 'text/plain', bytes: Buffer.from('hello') },
      ],
      annotations: { 'org.example.version': '6.1' },
    });
    const artifact = await pullArtifact(reference, { store });
    expect(artifact).toMatchObject({
      reference,
      digest: pushed.digest,
      artifactType: thingType,
      annotations: { 'org.example.version': '6.1' },
      layers: [
        {
          mediaType: 'application/vnd.example.kernel',
          size: noise.length,
          annotations: { 'org.example.name': 'vmlinuz' },
        },
        { mediaType: 'text/plain', size: 5, annotations: {} },
      ],
    });
    const [kernel] = artifact.layers;
    expect(await readFile(store.blobPath(kernel?.digest ?? 'sha256:'))).toEqual(noise);
    expect(await pullArtifact(reference, { store, policy: 'never' })).toEqual(artifact);
    await expect(pullImage(reference, { store: other, platform: amd64 })).rejects.toMatchObject({
      reason: 'UNSUPPORTED_MEDIA_TYPE',
    });
  });

  test('with a config of its own and no layers keeps both', async () => {
    const reference = `${registry.host}/artifacts/config:1`;
    const config = { mediaType: 'application/vnd.example.config+json', bytes: Buffer.from('{"a":1}') };
    await pushArtifact({ reference, artifactType: thingType, config, layers: [] });
    const artifact = await pullArtifact(reference, { store });
    expect(artifact.layers).toEqual([]);
    expect(await readFile(store.blobPath(artifact.config.digest), 'utf8')).toBe('{"a":1}');
  });

  test('in an index is the one for the wanted platform, or the only one', async () => {
    const empty = toBlob('application/vnd.oci.empty.v1+json', Buffer.from('{}'));
    const things = ['amd64', 'arm64'].map((architecture) => {
      const content = toBlob('a/b', Buffer.from(architecture));
      const fields = { schemaVersion: 2, artifactType: thingType, config: descriptorOf(empty) };
      const mediaType = 'application/vnd.oci.image.manifest.v1+json';
      const manifest = toJsonBlob(mediaType, { ...fields, layers: [descriptorOf(content)] });
      return { content, manifest, entry: { ...descriptorOf(manifest), platform: { os: 'linux', architecture } } };
    });
    const indexOf = (...entries: unknown[]) =>
      toJsonBlob('application/vnd.oci.image.index.v1+json', { schemaVersion: 2, manifests: entries });
    const both = indexOf(...things.map(({ entry }) => entry));
    const single = indexOf(things[0]?.entry);
    const blobs = [empty, both, single, ...things.flatMap(({ content, manifest }) => [content, manifest])];
    await using hub = await startHttpServer((_, response, path) => {
      const tags: Record<string, typeof both> = { both, single };
      const name = path.slice(path.lastIndexOf('/') + 1);
      const blob = tags[name] ?? blobs.find(({ digest }) => digest === name);
      if (blob === undefined) response.writeHead(404).end();
      else response.writeHead(200, { 'content-type': blob.mediaType, 'content-length': blob.size }).end(blob.bytes);
    });
    const arm = await pullArtifact(`${hub.host}/thing:both`, { store, platform: arm64 });
    expect(arm.layers[0]?.digest).toBe(things[1]?.content.digest);
    const only = await pullArtifact(`${hub.host}/thing:single`, { store });
    expect(only.digest).toBe(things[0]?.manifest.digest);
    const failure = await pullArtifact(`${hub.host}/thing:both`, { store }).catch((error) => error);
    expect(failure).toMatchObject({ reason: 'NO_MATCHING_PLATFORM' });
    expect(failure.message).toContain('linux/amd64, linux/arm64');
  });

  test('whose registry is gone is still there, unless the newest is insisted upon', async () => {
    await using gone = await startRegistry();
    const reference = `${gone.host}/artifacts/x:1`;
    await pushArtifact({ reference, artifactType: thingType, layers: [{ mediaType: 'a/b', bytes: noise }] });
    const artifact = await pullArtifact(reference, { store });
    await gone.close();
    expect(await pullArtifact(reference, { store, policy: 'newer' })).toEqual(artifact);
    await expect(pullArtifact(reference, { store, policy: 'always' })).rejects.toMatchObject({ code: 'NETWORK' });
  });
});

describe('an upload', () => {
  const artifact = (host: string) => ({
    reference: `${host}/upload/app:1`,
    artifactType: thingType,
    layers: [{ mediaType: 'a/b', bytes: noise }],
  });

  test('in pieces goes on where it broke off', async () => {
    let breaks = 2;
    await using proxy = await startHttpServer(async (request, response, path) => {
      const begins = /^(?!0-)/.test(String(request.headers['content-range'] ?? '0-'));
      if (request.method === 'PATCH' && begins && breaks > 0) {
        breaks -= 1;
        request.once('data', () => response.destroy());
        return;
      }
      await forwardTo(registry.host)(request, response, path);
    });
    const events: PushProgress[] = [];
    const onProgress = (event: PushProgress) => events.push(event);
    await pushArtifact(artifact(proxy.host), { chunkSize: 500_000, onProgress });
    expect(breaks).toBe(0);
    const methods = proxy.requests.map(({ method, path }) => (path.includes('/uploads/') ? method : ''));
    expect(methods.filter((method) => method === 'GET')).toHaveLength(2);
    // Three pieces of the noise, of which one was sent three times; the config goes at once.
    expect(methods.filter((method) => method === 'PATCH')).toHaveLength(5);
    expect(methods.filter((method) => method === 'POST')).toHaveLength(2);
    const back = await pullArtifact(artifact(registry.host).reference, { store });
    expect(await readFile(store.blobPath(back.layers[0]?.digest ?? 'sha256:'))).toEqual(noise);
  });

  test('is tried again when the server was killed and came back', async () => {
    await using mortal = await startRegistry();
    let killed: Promise<void> | undefined;
    const onProgress = ({ bytes }: PushProgress) => {
      if (bytes > 700_000) killed ??= restartLater();
    };
    const restartLater = async () => {
      await mortal.kill();
      await sleep(300);
      await mortal.restart();
    };
    const options = { chunkSize: 300_000, transport: { attempts: 8 }, onProgress };
    const { digest } = await pushArtifact(artifact(mortal.host), options);
    await killed;
    expect(killed).toBeDefined();
    expect((await pullArtifact(artifact(mortal.host).reference, { store })).digest).toBe(digest);
  });

  test('that is aborted is taken back, and the manifest never appears', async () => {
    const abort = new AbortController();
    await using proxy = await startHttpServer(forwardTo(registry.host));
    const reference = `${proxy.host}/upload/aborted:1`;
    const push = pushArtifact(
      { ...artifact(proxy.host), reference },
      {
        chunkSize: 200_000,
        signal: abort.signal,
        onProgress: ({ bytes }) => bytes > 500_000 && abort.abort(new Error('enough')),
      },
    );
    await expect(push).rejects.toThrow('enough');
    const pathsOf = (wanted: string) =>
      proxy.requests.filter(({ method }) => method === wanted).map(({ path }) => path);
    expect(pathsOf('PATCH').length).toBeGreaterThan(0);
    expect(pathsOf('DELETE')).toEqual(expect.arrayContaining(pathsOf('PATCH')));
    expect(proxy.requests.filter(({ method, path }) => method === 'PUT' && path.includes('/manifests/'))).toEqual([]);
  });

  test.each([
    ['does not take the blob', 'PUT', 400, 'PUSH_REFUSED'],
    ['does not begin one', 'POST', 405, 'PUSH_REFUSED'],
    ['forbids it', 'POST', 403, 'UNAUTHORIZED'],
    ['is broken', 'POST', 500, 'SERVER_FAILED'],
  ])('that the registry %s for is an error with its words', async (_, method, status, reason) => {
    await using proxy = await startHttpServer(async (request, response, path) => {
      if (request.method !== method) return await forwardTo(registry.host)(request, response, path);
      request.resume();
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end('{"errors":[{"code":"DENIED","message":"not\\u0007today"}]}');
    });
    const reference = `${proxy.host}/upload/refused-${status}:1`;
    const transport = { attempts: 2 };
    const failure = await pushArtifact({ ...artifact(proxy.host), reference }, { transport }).catch((error) => error);
    expect(failure).toMatchObject({ reason });
    if (status !== 500) expect(failure.message).toContain('DENIED: not today');
  });

  test.each<[string, string, (start: number, end: number) => Record<string, string>]>([
    ['loses what it was sent', 'PUSH_REFUSED', () => ({ location: '/v2/upload/here', range: '0-5' })],
    ['has more than it was sent', 'PUSH_REFUSED', () => ({ location: '/v2/upload/here', range: '0-99999999999' })],
    ['says no place for the next piece', 'UNSAFE_REDIRECT', (_, end) => ({ range: `0-${end}` })],
    ['sends to a file', 'UNSAFE_REDIRECT', () => ({ location: 'file:///etc/passwd' })],
    ['sends to plain HTTP elsewhere', 'UNSAFE_REDIRECT', () => ({ location: 'http://192.0.2.1/x' })],
  ])('to a registry that %s ends in an error', async (_, reason, headersOf) => {
    await using hub = await startHttpServer(async (request, response) => {
      for await (const _chunk of request);
      const [start = 0, end = 0] = String(request.headers['content-range'] ?? '')
        .split('-')
        .map(Number);
      if (request.method === 'HEAD') response.writeHead(404).end();
      else if (request.method === 'POST') response.writeHead(202, { location: '/v2/upload/here' }).end();
      else if (request.method === 'PUT') response.writeHead(201).end();
      else response.writeHead(request.method === 'GET' ? 204 : 202, headersOf(start, end)).end();
    });
    const push = pushArtifact(artifact(hub.host), { chunkSize: 500_000, transport: { attempts: 3 } });
    await expect(push).rejects.toMatchObject({ reason });
    expect(hub.requests.length).toBeLessThan(40);
  });

  test('to a registry that reads slowly is not given up, to one that does not read at all it is', async () => {
    const big = { mediaType: 'a/b', bytes: Buffer.alloc(24 * 1024 * 1024) };
    let patient = true;
    await using hub = await startHttpServer(async (request, response, path) => {
      if (request.method === 'HEAD') return void response.writeHead(404).end();
      if (request.method === 'POST') return void response.writeHead(202, { location: '/v2/upload/here' }).end();
      if (request.method === 'DELETE') return void response.writeHead(204).end();
      if (!patient) return;
      for await (const chunk of request) if (!path.includes('/manifests/')) await sleep(chunk.length / 16_000);
      response.writeHead(201).end();
    });
    const push = async () => {
      const transport = { uploadTimeout: 3000, responseTimeout: 500, documentTimeout: 500, attempts: 1 };
      await pushArtifact({ ...artifact(hub.host), layers: [big] }, { transport, chunkSize: 2 ** 30 });
    };
    const started = performance.now();
    await push();
    expect(performance.now() - started).toBeGreaterThan(1500);
    patient = false;
    await expect(push()).rejects.toMatchObject({ reason: 'TIMED_OUT' });
  });

  test('of a registry that sends it elsewhere does not carry the credentials there', async () => {
    await using elsewhere = await startHttpServer((request, response) => {
      request.resume();
      request.on('end', () => response.writeHead(201).end());
    });
    await using hub = await startHttpServer((request, response, path) => {
      request.resume();
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="a"' }).end();
      } else if (request.method === 'HEAD') response.writeHead(404).end();
      else if (request.method === 'POST') {
        response.writeHead(202, { location: `http://${elsewhere.host}/put/here?signature=1` }).end();
      } else response.writeHead(path.includes('/manifests/') ? 201 : 404).end();
    });
    const credentials = { username: 'ann', password: 'secret' };
    await pushArtifact(artifact(hub.host), { credentials });
    expect(elsewhere.requests.map(({ method }) => method)).toEqual(['PUT', 'PUT']);
    expect(elsewhere.requests.every(({ query }) => query.get('signature') === '1' && query.has('digest'))).toBe(true);
    expect(elsewhere.requests.filter(({ headers }) => 'authorization' in headers)).toEqual([]);
  });
});

test('a Docker image is pushed as it is', async () => {
  const layout = join(directory, 'docker-layout');
  const image = buildImage({ architecture: 'amd64', layers, format: 'docker' });
  await writeImageLayout(layout, { name: 'docker', images: [image] });
  const reference = `${registry.host}/pushed/docker:1`;
  await importLayout(layout, { store, platform: amd64, reference });
  expect((await pushImage(store, reference)).digest).toBe(image.manifest.digest);
  const back = await pullImage(reference, { store: other, platform: amd64 });
  expect(back.manifest.mediaType).toBe(image.manifest.mediaType);
});
