import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ImageStore, type PullProgress, pullImage } from '../src/index.ts';
import { buildImage, pushLayout, startRegistry, writeImageLayout } from '../src/testing/index.ts';
import { type Handler, serveImage, startHttpServer } from './http-server.ts';

const platform = { os: 'linux', architecture: 'amd64' };
const image = buildImage({
  architecture: 'amd64',
  layers: [{ content: [{ path: 'noise', content: randomBytes(32 * 1024 * 1024) }], compression: 'none' as const }],
});
const layer = image.layers[0] ?? image.config;
const reached = 5_000_000;

let directory: string;
let store: ImageStore;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-resume-'));
  await writeImageLayout(join(directory, 'layout'), { name: 'a', images: [image] });
});

beforeEach(async () => {
  store = await ImageStore.open(await mkdtemp(join(directory, 'store-')));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

test('a download survives that the registry is killed in the middle of it and comes back', async () => {
  await using registry = await startRegistry();
  const name = `${registry.host}/app:1`;
  await pushLayout(join(directory, 'layout'), 'a', name);
  let restarted: Promise<void> | undefined;
  const seen: number[] = [];
  const onProgress = (event: PullProgress) => {
    if (event.type !== 'blob' || event.state !== 'downloading') return;
    seen.push(event.bytes);
    if (event.bytes > reached) restarted ??= restartLater();
  };
  const restartLater = async () => {
    await registry.kill();
    await sleep(300);
    await registry.restart();
  };
  const pulled = await pullImage(name, { store, platform, transport: { attempts: 8 }, onProgress });
  await restarted;
  expect(restarted).toBeDefined();
  expect(pulled.digest).toBe(image.manifest.digest);
  expect(layer.bytes.equals(await readFile(store.blobPath(layer.digest)))).toBe(true);
  // Nothing was begun anew.
  expect(seen).toEqual(seen.toSorted((one, two) => one - two));
});

/** Serves the layer up to a byte and then holds still; the rest to whoever asks for it. */
const halting: Handler = (request, response, path) => {
  const offset = Number(/^bytes=([0-9]+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (!path.endsWith(layer.digest)) return serveImage(image)(request, response, path);
  const headers = { 'content-length': layer.size - offset };
  if (offset === 0) {
    response.writeHead(200, headers).write(layer.bytes.subarray(0, reached));
  } else {
    const range = { 'content-range': `bytes ${offset}-${layer.size - 1}/${layer.size}` };
    response.writeHead(206, { ...headers, ...range }).end(layer.bytes.subarray(offset));
  }
};

async function killedPull(name: string): Promise<void> {
  const program = fileURLToPath(new URL('pull-process.ts', import.meta.url));
  const child = spawn(process.execPath, [program, store.directory, name, 'report'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  try {
    let text = '';
    for await (const chunk of child.stdout) {
      text += chunk;
      if (text.split('\n').some((line) => Number(line) >= reached)) break;
    }
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

test('a pull goes on where a killed process stopped', async () => {
  await using registry = await startHttpServer(halting);
  const name = `${registry.host}/app:1`;
  await killedPull(name);
  await pullImage(name, { store, platform });
  expect(layer.bytes.equals(await readFile(store.blobPath(layer.digest)))).toBe(true);
  const ranges = registry.requests
    .filter(({ path }) => path.endsWith(layer.digest))
    .map(({ headers }) => headers.range);
  expect(ranges).toEqual([undefined, `bytes=${reached}-`]);
});

test.each([
  ['does not know ranges', 200],
  ['says that the range is impossible', 416],
])('a pull begins anew when the registry %s', async (_, status) => {
  let first = true;
  await using registry = await startHttpServer((request, response, path) => {
    if (first && path.endsWith(layer.digest)) {
      first = false;
      return halting(request, response, path);
    }
    if (request.headers.range !== undefined && status === 416) return void response.writeHead(416).end();
    return serveImage(image)(request, response, path);
  });
  const name = `${registry.host}/app:1`;
  await killedPull(name);
  await pullImage(name, { store, platform });
  expect(layer.bytes.equals(await readFile(store.blobPath(layer.digest)))).toBe(true);
});
