import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  ImageStore,
  type PullProgress,
  type PullToErofsOptions,
  pullArtifact,
  pullImage,
  pullToErofs,
  type UnpackProgress,
} from '../src/index.ts';
import { buildImage, pushLayout, type RegistryServer, startRegistry, writeImageLayout } from '../src/testing/index.ts';
import { forwardTo, type Handler, serveImage, startHttpServer } from './http-server.ts';

const platform = { os: 'linux', architecture: 'amd64' };
const noise = randomBytes(3_000_000);
const image = buildImage({
  architecture: 'amd64',
  layers: [{ content: [{ path: 'noise', content: noise }], compression: 'none' as const }],
});
const layer = image.layers[0]?.digest ?? 'sha256:';

let directory: string;
let registry: RegistryServer;
let store: ImageStore;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-mirrors-'));
  registry = await startRegistry();
  await writeImageLayout(join(directory, 'layout'), { name: 'a', images: [image] });
  for (const name of ['team/app:1', 'hub/team/app:1']) {
    await pushLayout(join(directory, 'layout'), 'a', `${registry.host}/${name}`);
  }
});

beforeEach(async () => {
  store = await ImageStore.open(await mkdtemp(join(directory, 'store-')));
});

afterAll(async () => {
  await registry?.close();
  await rm(directory, { recursive: true, force: true });
});

const nothing: Handler = (_, response) => void response.writeHead(404).end();
const withMirrors = (host: string, ...mirrors: string[]) => ({ registries: { [host]: { mirrors } } });

describe('a mirror', () => {
  test.each([[''], ['/hub']])('spares the registry itself (images under %j)', async (prefix) => {
    await using origin = await startHttpServer(nothing);
    const options = { store, platform, ...withMirrors(origin.host, `${registry.host}${prefix}`) };
    const pulled = await pullImage(`${origin.host}/team/app:1`, options);
    expect(pulled).toMatchObject({ digest: image.manifest.digest, reference: `${origin.host}/team/app:1` });
    expect(origin.requests).toEqual([]);
  });

  test.each<[string, Handler | undefined]>([
    ['is gone', undefined],
    ['has nothing', nothing],
    ['wants to know who asks', (_, response) => void response.writeHead(401).end()],
    ['is broken', (_, response) => void response.writeHead(500).end()],
    ['is a web site', (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')],
    ['has another manifest than it says', (_, response) => void response.writeHead(200).end('{}')],
    ['redirects for ever', (_, response, path) => void response.writeHead(302, { location: `${path}x` }).end()],
  ])('that %s is passed over', async (_, handler) => {
    const mirror = await startHttpServer(handler ?? nothing);
    if (handler === undefined) await mirror[Symbol.asyncDispose]();
    try {
      const options = { store, platform, ...withMirrors(registry.host, mirror.host) };
      const name = `${registry.host}/team/app@${image.manifest.digest}`;
      expect((await pullImage(name, options)).digest).toBe(image.manifest.digest);
    } finally {
      if (handler !== undefined) await mirror[Symbol.asyncDispose]();
    }
  });

  test('that breaks off half-way is continued at the next, from the byte that was reached', async () => {
    const breaking: Handler = async (request, response, path) => {
      if (!path.endsWith(layer)) return await forwardTo(registry.host)(request, response, path);
      response.writeHead(200, { 'content-length': image.layers[0]?.size ?? 0 });
      response.write(image.layers[0]?.bytes.subarray(0, 1_000_000));
      await sleep(50);
      response.destroy();
    };
    await using first = await startHttpServer(breaking);
    await using second = await startHttpServer(nothing);
    await using origin = await startHttpServer(forwardTo(registry.host));
    const options = { store, platform, ...withMirrors(origin.host, first.host, second.host) };
    const pulled = await pullImage(`${origin.host}/team/app:1`, options);
    expect(image.layers[0]?.bytes.equals(await readFile(store.blobPath(layer)))).toBe(true);
    expect(pulled.digest).toBe(image.manifest.digest);
    const blobs = origin.requests.filter(({ path }) => path.endsWith(layer));
    expect(blobs).toHaveLength(1);
    const from = Number(/^bytes=([0-9]+)-$/.exec(blobs[0]?.headers.range ?? '')?.[1]);
    expect(from).toBeGreaterThan(0);
    expect(from).toBeLessThanOrEqual(1_000_000);
    // The first was not asked again, the second and the registry were asked for the rest alone.
    expect(first.requests.filter(({ path }) => path.endsWith(layer))).toHaveLength(1);
    expect(second.requests.map(({ headers }) => headers.range)).toEqual([`bytes=${from}-`]);
  });

  describe.each<[string, (options: PullToErofsOptions, name: string) => Promise<{ digest: string }>]>([
    ['a plain pull', async (options, name) => await pullImage(name, options)],
    ['a pull that unpacks on the way', async (options, name) => (await pullToErofs(name, options)).image],
    [
      'the pull of an artifact',
      async ({ store, registries, onProgress }, name) => await pullArtifact(name, { store, registries, onProgress }),
    ],
  ])('of the right number of wrong bytes: %s', (_, pull) => {
    const bytes = image.layers[0]?.bytes ?? noise;
    test.each([
      ['all wrong', Buffer.alloc(bytes.length, 7)],
      ['wrong at the end alone', Buffer.concat([bytes.subarray(0, -2000), Buffer.alloc(2000, 7)])],
    ])('%s, are had from the registry', async (_, wrong) => {
      await using liar = await startHttpServer(async (request, response, path) => {
        if (!path.endsWith(layer)) return await forwardTo(registry.host)(request, response, path);
        response.writeHead(200, { 'content-length': wrong.length }).end(wrong);
      });
      const faults: PullProgress[] = [];
      const onProgress = (event: PullProgress | UnpackProgress) => void (event.type === 'fault' && faults.push(event));
      const options = { store, platform, onProgress, ...withMirrors(registry.host, liar.host) };
      expect((await pull(options, `${registry.host}/team/app:1`)).digest).toBe(image.manifest.digest);
      expect(bytes.equals(await readFile(store.blobPath(layer)))).toBe(true);
      expect(liar.requests.filter(({ path }) => path.endsWith(layer))).toHaveLength(1);
      expect(faults).toMatchObject([{ digest: layer, place: 'mirror' }]);
    });
  });

  test('that trickles is left for the next', async () => {
    await using slow = await startHttpServer(async (request, response, path) => {
      if (!path.endsWith(layer)) return await forwardTo(registry.host)(request, response, path);
      response.writeHead(200, { 'content-length': image.layers[0]?.size ?? 0 });
      response.write(image.layers[0]?.bytes.subarray(0, 100));
    });
    const transport = { minimumThroughput: { bytesPerSecond: 1024, window: 300 } };
    const options = { store, platform, transport, ...withMirrors(registry.host, slow.host) };
    expect((await pullImage(`${registry.host}/team/app:1`, options)).digest).toBe(image.manifest.digest);
  });

  test("never gets the registry's credentials, but its own", async () => {
    const expected = new Map<string, string>();
    const guarded: Handler = (request, response, path) => {
      const given = request.headers.authorization;
      if (given !== undefined && given === expected.get(request.headers.host ?? '')) {
        return serveImage(image)(request, response, path);
      }
      response.writeHead(401, { 'www-authenticate': 'Basic realm="a"' }).end();
    };
    await using origin = await startHttpServer(guarded);
    await using stranger = await startHttpServer(guarded);
    await using friend = await startHttpServer(guarded);
    const mine = { username: 'ann', password: 'origin' };
    const theirs = { username: 'ann', password: 'friend' };
    const basic = (of: typeof mine) => `Basic ${Buffer.from(`${of.username}:${of.password}`).toString('base64')}`;
    expected.set(origin.host, basic(mine));
    expected.set(friend.host, basic(theirs));

    const registries = { [origin.host]: { mirrors: [stranger.host] }, [friend.host]: { credentials: theirs } };
    const options = { store, platform, credentials: mine, dockerConfig: false, registries } as const;
    await pullImage(`${origin.host}/app:1`, options);
    expect(stranger.requests.length).toBeGreaterThan(0);
    expect(stranger.requests.filter(({ headers }) => 'authorization' in headers)).toEqual([]);

    const before = origin.requests.length;
    registries[origin.host] = { mirrors: [friend.host] };
    await pullImage(`${origin.host}/app:2`, { ...options, registries });
    const sent = friend.requests.map(({ headers }) => headers.authorization);
    expect(new Set(sent)).toEqual(new Set([undefined, basic(theirs)]));
    expect(origin.requests).toHaveLength(before);
  });
});
