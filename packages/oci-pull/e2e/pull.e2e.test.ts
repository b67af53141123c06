import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ImageStore, type PullProgress, pullImage, unpackImage } from '../src/index.ts';
import {
  buildImage,
  buildIndex,
  pushLayout,
  type RegistryServer,
  startRegistry,
  type TarInput,
  writeImageLayout,
} from '../src/testing/index.ts';
import { serveImage, startHttpServer } from './http-server.ts';

const run = promisify(execFile);
const amd64 = { os: 'linux', architecture: 'amd64' };
const arm64 = { os: 'linux', architecture: 'arm64' };

const layerOf = (...entries: TarInput[]) => ({ content: entries });
const single = {
  architecture: 'amd64',
  config: { Entrypoint: ['/bin/app'], Env: ['A=b'], User: '1000' },
  layers: [
    layerOf({ path: 'etc/name', content: 'lower' }),
    { ...layerOf({ path: 'etc/other', content: 'x'.repeat(200_000) }), compression: 'zstd' as const },
    { ...layerOf({ path: 'etc/name', content: 'upper' }), compression: 'none' as const },
    layerOf({ path: 'etc/fourth' }),
    layerOf({ path: 'etc/fifth' }),
  ],
};

let directory: string;
let registry: RegistryServer;
let store: ImageStore;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-pull-'));
  registry = await startRegistry();
  const layout = join(directory, 'layout');
  const multi = [
    { ...single, layers: [layerOf({ path: 'arch', content: 'amd64' })] },
    { ...single, architecture: 'arm64', variant: 'v8', layers: [layerOf({ path: 'arch', content: 'arm64' })] },
  ];
  await writeImageLayout(layout, { name: 'single', images: [single] });
  await writeImageLayout(layout, { name: 'multi', images: multi });
  await pushLayout(layout, 'single', `${registry.host}/team/single:1`);
  await pushLayout(layout, 'multi', `${registry.host}/multi:latest`);
});

beforeEach(async () => {
  store = await ImageStore.open(await mkdtemp(join(directory, 'store-')));
});

afterAll(async () => {
  await registry?.close();
  await rm(directory, { recursive: true, force: true });
});

describe('an image from a real registry', () => {
  test('arrives with its config and all its layers, and unpacks', async () => {
    const events: PullProgress[] = [];
    const name = `${registry.host}/team/single:1`;
    const image = await pullImage(name, { store, platform: amd64, onProgress: (event) => events.push(event) });
    expect(image).toMatchObject({
      name,
      reference: name,
      config: { entrypoint: ['/bin/app'], env: ['A=b'], user: '1000' },
    });
    expect(image.layers).toHaveLength(5);

    const { rootfs } = await unpackImage(image, { store, directory: join(directory, 'unpacked') });
    expect(await readFile(join(rootfs, 'etc/name'), 'utf8')).toBe('upper');
    expect(await readFile(join(rootfs, 'etc/other'), 'utf8')).toBe('x'.repeat(200_000));

    expect(events[0]).toEqual({ type: 'resolved', digest: image.digest, platform: amd64, total: image.sizes.layers });
    for (const { digest, size } of image.layers) {
      const states = events.filter((event) => event.type === 'blob' && event.digest === digest);
      expect(states.at(0)).toMatchObject({ state: 'waiting', bytes: 0, total: size });
      expect(states.at(-1)).toMatchObject({ state: 'done', bytes: size, total: size });
      expect(states.at(-1)).toHaveProperty('rate', expect.any(Number));
    }
  });

  test('for several platforms, is the one for the wanted platform', async () => {
    for (const platform of [amd64, arm64, { ...arm64, variant: 'v8' }]) {
      const image = await pullImage(`${registry.host}/multi`, { store, platform });
      expect(image.config.architecture).toBe(platform.architecture);
      const { rootfs } = await unpackImage(image, { store, directory: join(directory, 'unpacked') });
      expect(await readFile(join(rootfs, 'arch'), 'utf8')).toBe(platform.architecture);
      expect(image.resolved).not.toBe(image.digest);
    }
    const riscv = { os: 'linux', architecture: 'riscv64' };
    const failure = await pullImage(`${registry.host}/multi`, { store, platform: riscv }).catch((error) => error);
    expect(failure).toMatchObject({ reason: 'NO_MATCHING_PLATFORM', code: 'NOT_FOUND' });
    expect(failure.message).toContain('linux/amd64, linux/arm64/v8');
    const wrong = pullImage(`${registry.host}/team/single:1`, { store, platform: arm64 });
    await expect(wrong).rejects.toMatchObject({ reason: 'NO_MATCHING_PLATFORM' });
  });

  test('by digest, of the index or of the manifest', async () => {
    const image = await pullImage(`${registry.host}/multi`, { store, platform: amd64 });
    for (const digest of [image.resolved, image.digest]) {
      const again = await pullImage(`${registry.host}/multi@${digest}`, { store, platform: amd64 });
      expect(again.digest).toBe(image.digest);
    }
  });

  test('is not fetched again when it is there, and its registry may be gone', async () => {
    await using registry = await startRegistry();
    const name = `${registry.host}/team/single:1`;
    await pushLayout(join(directory, 'layout'), 'single', name);
    const image = await pullImage(name, { store, platform: amd64 });
    const events: PullProgress[] = [];
    await pullImage(name, { store, platform: amd64, policy: 'always', onProgress: (event) => events.push(event) });
    expect(events.filter((event) => event.type === 'blob' && event.state === 'exists')).toHaveLength(5);

    await registry.close();
    expect(await pullImage(name, { store, platform: amd64 })).toEqual(image);
    const unreachable = pullImage(name, { store, platform: amd64, policy: 'always' });
    await expect(unreachable).rejects.toMatchObject({ reason: 'CONNECTION_FAILED', code: 'NETWORK' });
    expect(await pullImage(name, { store, platform: amd64, policy: 'never' })).toEqual(image);
  });

  test("in Docker's own format arrives as well", async () => {
    const format = 'docker' as const;
    const image = buildImage({ ...single, format });
    const index = buildIndex([buildImage({ ...single, architecture: 'arm64', format }), image], format);
    const serve = serveImage(image);
    await using server = await startHttpServer((request, response, path) => {
      if (!path.endsWith('/manifests/latest')) return serve(request, response, path);
      response.writeHead(200, { 'content-type': index.mediaType }).end(index.bytes);
    });
    const pulled = await pullImage(`${server.host}/app`, { store, platform: amd64 });
    expect(pulled).toMatchObject({ digest: image.manifest.digest, resolved: index.digest });
    const { rootfs } = await unpackImage(pulled, { store, directory: join(directory, 'unpacked') });
    expect(await readFile(join(rootfs, 'etc/name'), 'utf8')).toBe('upper');
  });

  test('can be read from the store with skopeo', async () => {
    const name = `${registry.host}/team/single:1`;
    const image = await pullImage(name, { store, platform: amd64 });
    const { stdout } = await run('skopeo', ['inspect', `oci:${store.directory}:${name}`]);
    expect(JSON.parse(stdout)).toMatchObject({
      Digest: image.digest,
      Architecture: 'amd64',
      Layers: image.layers.map(({ digest }) => digest),
    });
  });

  test('that does not exist is not found', async () => {
    for (const name of ['no/such:1', 'team/single:2', `multi@sha256:${'0'.repeat(64)}`]) {
      const failure = await pullImage(`${registry.host}/${name}`, { store, platform: amd64 }).catch((error) => error);
      expect(failure).toMatchObject({ reason: 'IMAGE_UNKNOWN', code: 'NOT_FOUND' });
      expect(failure.message).toContain(name);
    }
    expect(await store.list()).toEqual([]);
  });

  test('pulled by ten processes into one store at once, arrives in each', async () => {
    const name = `${registry.host}/team/single:1`;
    const program = fileURLToPath(new URL('pull-process.ts', import.meta.url));
    const runs = Array.from({ length: 10 }, () => run(process.execPath, [program, store.directory, name]));
    const digests = (await Promise.all(runs)).map(({ stdout }) => stdout.trim());
    expect(new Set(digests).size).toBe(1);
    expect((await pullImage(name, { store, platform: amd64, policy: 'never' })).digest).toBe(digests[0]);
    expect(await store.list()).toHaveLength(1);
  });
});
