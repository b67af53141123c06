import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ImageStore, importLayout, type PullImageOptions, pullImage } from '../src/index.ts';
import { type BuiltImage, buildImage, pushLayout, writeImageLayout } from '../src/testing/index.ts';
import { startRegistry } from '../src/testing/registry-server.ts';
import { forwardTo, type HttpServer, serveImage, startHttpServer } from './http-server.ts';

const platform = { os: 'linux', architecture: 'amd64' };
const imageWith = (content: string, architecture = 'amd64') =>
  buildImage({ architecture, layers: [{ content: [{ path: 'content', content }] }] });
const older = imageWith('older');
const newer = imageWith('newer');

let directory: string;
let store: ImageStore;
let served: BuiltImage | undefined;
let registry: HttpServer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-chain-'));
  registry = await startHttpServer((request, response, path) => {
    if (served === undefined) return void response.writeHead(404).end();
    const digest = served.manifest.digest;
    if (request.method === 'HEAD') {
      response.writeHead(200, { 'docker-content-digest': digest, 'content-length': 1_000_000 }).end();
    } else return serveImage(served)(request, response, path);
  });
});

beforeEach(async () => {
  store = await ImageStore.open(await mkdtemp(join(directory, 'store-')));
  served = older;
  registry.requests.length = 0;
});

afterEach(() => {
  vi.unstubAllEnvs();
});

afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const pull = (options: Partial<PullImageOptions> = {}) =>
  pullImage(`${registry.host}/app:1`, { store, platform, ...options });

async function layoutWith(name: string, image: BuiltImage): Promise<string> {
  const layout = await mkdtemp(join(directory, 'layout-'));
  await writeImageLayout(layout, { name, images: [image] });
  return layout;
}

describe('the pull policy', () => {
  test.each(['always', 'newer'] as const)('%s asks for the digest alone as long as nothing changed', async (policy) => {
    await pull();
    registry.requests.length = 0;
    const states: string[] = [];
    const again = await pull({ policy, onProgress: (event) => event.type === 'blob' && states.push(event.state) });
    expect(again.digest).toBe(older.manifest.digest);
    expect(registry.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['HEAD /v2/app/manifests/1']);
    expect(states).toEqual(['exists']);
  });

  test.each(['always', 'newer'] as const)('%s fetches what changed', async (policy) => {
    await pull();
    served = newer;
    expect((await pull({ policy })).digest).toBe(newer.manifest.digest);
    expect((await pull({ policy: 'never' })).digest).toBe(newer.manifest.digest);
  });

  test('always works with a registry that does not tell digests', async () => {
    await using silent = await startHttpServer((request, response, path) =>
      request.method === 'HEAD' ? void response.writeHead(405).end() : serveImage(newer)(request, response, path),
    );
    const name = `${silent.host}/app:1`;
    for (let round = 0; round < 2; round++) {
      expect((await pullImage(name, { store, platform, policy: 'always' })).digest).toBe(newer.manifest.digest);
    }
  });

  test('newer makes do with what is there when the registry is gone or has none, always does not', async () => {
    await using mortal = await startRegistry();
    const name = `${mortal.host}/app:1`;
    await pushLayout(await layoutWith('a', older), 'a', name);
    await pullImage(name, { store, platform });
    await mortal.kill();
    const image = await pullImage(name, { store, platform, policy: 'newer' });
    expect(image.digest).toBe(older.manifest.digest);
    await expect(pullImage(name, { store, platform, policy: 'always' })).rejects.toMatchObject({ code: 'NETWORK' });

    await pull();
    served = undefined;
    expect((await pull({ policy: 'newer' })).digest).toBe(older.manifest.digest);
    await expect(pull({ policy: 'always' })).rejects.toMatchObject({ reason: 'IMAGE_UNKNOWN' });
  });

  test('never asks nobody', async () => {
    await expect(pull({ policy: 'never' })).rejects.toMatchObject({ reason: 'IMAGE_UNKNOWN' });
    expect(registry.requests).toEqual([]);
  });
});

describe('a layout', () => {
  test('that has the image under any spelling of its name goes before the registry', async () => {
    const layouts = [join(directory, 'there-is-none'), await layoutWith(`${registry.host}/app:1`, newer)];
    const image = await pull({ layouts });
    expect(image).toMatchObject({ digest: newer.manifest.digest, source: 'local' });
    expect(registry.requests).toEqual([]);

    const hub = [await layoutWith('alpine:3', newer)];
    const name = 'docker.io/library/alpine:3';
    expect((await pullImage(name, { store, platform, layouts: hub })).digest).toBe(newer.manifest.digest);
    const byDigest = `alpine@${newer.manifest.digest}`;
    expect((await pullImage(byDigest, { store, platform, layouts: hub })).digest).toBe(newer.manifest.digest);
  });

  test('that has something else under a name that only ends alike is passed over', async () => {
    const layouts = [await layoutWith('app:1', newer), await layoutWith('evil.example/app:1', newer)];
    expect((await pull({ layouts })).digest).toBe(older.manifest.digest);
  });

  test('that has the image for other platforms, or not whole, is passed over', async () => {
    const name = `${registry.host}/app:1`;
    const broken = await layoutWith(name, newer);
    await rm(join(broken, 'blobs/sha256', newer.layers[0]?.digest.slice(7) ?? ''));
    const layouts = [await layoutWith(name, imageWith('arm', 'arm64')), broken];
    expect(await pull({ layouts })).toMatchObject({ digest: older.manifest.digest, source: 'registry' });
  });

  test('that is damaged is an error, not passed over in silence', async () => {
    const layout = join(directory, 'damaged');
    await mkdir(layout);
    await writeFile(join(layout, 'index.json'), '{');
    await expect(pull({ layouts: [layout] })).rejects.toMatchObject({ reason: 'INVALID_LAYOUT' });
  });
});

describe('the source policy', () => {
  test('local takes nothing from a registry, not even what was pulled before', async () => {
    await pull();
    registry.requests.length = 0;
    await expect(pull({ source: 'local' })).rejects.toMatchObject({ reason: 'IMAGE_UNKNOWN' });
    await expect(pull({ source: 'local', policy: 'always' })).rejects.toMatchObject({ reason: 'IMAGE_UNKNOWN' });
    const reference = `${registry.host}/app:1`;
    await importLayout(await layoutWith('a', newer), { store, platform, reference });
    for (const policy of ['always', 'newer', 'ifNotPresent', 'never'] as const) {
      expect((await pull({ source: 'local', policy })).digest).toBe(newer.manifest.digest);
    }
    expect(registry.requests).toEqual([]);
  });

  test('registry takes nothing that was made here', async () => {
    const layouts = [await layoutWith(`${registry.host}/app:1`, newer)];
    expect((await pull({ layouts })).digest).toBe(newer.manifest.digest);
    const image = await pull({ layouts, source: 'registry' });
    expect(image).toMatchObject({ digest: older.manifest.digest, source: 'registry' });
    registry.requests.length = 0;
    expect((await pull({ source: 'registry' })).digest).toBe(older.manifest.digest);
    expect(registry.requests).toEqual([]);
  });
});

test('a name without registry is pulled from Docker Hub and stored under the name that was asked for', async () => {
  await using hub = await startHttpServer(serveImage(older));
  const registries = { 'docker.io': { mirrors: [hub.host] } };
  const image = await pullImage('tool:1', { store, platform, registries, dockerConfig: false });
  expect(hub.requests[0]?.path).toBe('/v2/library/tool/manifests/1');
  expect(image).toMatchObject({ name: 'tool:1', reference: 'docker.io/library/tool:1' });
  expect(await store.list()).toMatchObject([
    { name: 'tool:1', origin: 'docker.io/library/tool:1', source: 'registry' },
  ]);
});

test('a name without registry is pulled from the default one, if there is one', async () => {
  vi.stubEnv('ZLAYER_DEFAULT_REGISTRY', registry.host);
  const image = await pullImage('tool:1', { store, platform });
  expect(image).toMatchObject({ name: 'tool:1', reference: `${registry.host}/tool:1` });
  await using other = await startHttpServer(forwardTo(registry.host));
  const again = await pullImage('tool:1', { store, platform, defaultRegistry: other.host });
  expect(again.reference).toBe(`${other.host}/tool:1`);
});
