import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ImageStore, OciError, type PullImageOptions, pullImage } from '../src/index.ts';
import { toJsonBlob } from '../src/testing/image-layout.ts';
import { type BuiltImage, buildImage, buildIndex } from '../src/testing/index.ts';
import { type Handler, serveImage, startHttpServer } from './http-server.ts';

const platform = { os: 'linux', architecture: 'amd64' };
const noise = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 7919 + (n >> 8) * 104_729) & 0xff));
const layers = ['one', 'two', 'three', 'four'].map((path) => ({
  content: [{ path, content: Buffer.concat([Buffer.from(path), noise]) }],
  compression: 'none' as const,
}));
const image = buildImage({ architecture: 'amd64', layers });
const honest = serveImage(image);

let directory: string;
let store: ImageStore;
let before: string[];

const listing = async () => (await readdir(directory, { recursive: true })).sort();

beforeEach(async ({ onTestFinished }) => {
  const own = await mkdtemp(join(tmpdir(), 'zlayer-hostile-'));
  onTestFinished(() => rm(own, { recursive: true, force: true }));
  directory = own;
  store = await ImageStore.open(directory);
  // An image that is there already must stay as it is.
  await using registry = await startHttpServer(
    serveImage(buildImage({ architecture: 'amd64', layers: [{ content: [] }] })),
  );
  await pullImage(`${registry.host}/good`, { store, platform });
  before = await listing();
});

async function failureOf(handler: Handler, options: Partial<PullImageOptions> = {}): Promise<OciError> {
  await using registry = await startHttpServer(handler);
  const failure = await pullImage(`${registry.host}/app:1`, { store, platform, ...options }).catch((error) => error);
  expect(failure).toBeInstanceOf(OciError);
  return failure;
}

/** Serves the honest image, except for one of its layers. */
function withLayer(number: number, instead: Handler): Handler {
  const digest = image.layers[number]?.digest ?? '';
  return (request, response, path) => (path.endsWith(digest) ? instead : honest)(request, response, path);
}

const size = image.layers[1]?.size ?? 0;

describe('a registry that lies leaves the store as it was', () => {
  afterEach(async () => {
    // Layers that came whole may stay for the next try, with the notes of them, and the beginnings of others; nothing else.
    const whole = new Set(image.layers.map(({ digest }) => join('blobs', 'sha256', digest.slice('sha256:'.length))));
    const kept = (path: string) => whole.has(path) || /^(partial|unsynced)\//.test(path);
    expect((await listing()).filter((path) => !kept(path))).toEqual(before.filter((path) => !kept(path)));
    expect(await store.list()).toHaveLength(1);
  });

  test.each<[string, string, Handler]>([
    ['a layer of other content', 'DIGEST_MISMATCH', (_, response) => void response.end(Buffer.alloc(size))],
    ['a layer that is shorter', 'SIZE_MISMATCH', (_, response) => void response.end(noise.subarray(0, 1000))],
    [
      'a shorter layer without its length',
      'SIZE_MISMATCH',
      (_, response) => {
        response.write(noise.subarray(0, 1000));
        response.end();
      },
    ],
    [
      'a layer without an end',
      'SIZE_MISMATCH',
      async (_, response) => {
        while (!response.destroyed) {
          response.write(noise);
          await sleep(1);
        }
      },
    ],
    [
      'a layer that always breaks off half-way',
      'CONNECTION_FAILED',
      async (_, response) => {
        response.writeHead(200, { 'content-length': size });
        response.write(noise.subarray(0, 1000));
        await sleep(10);
        response.destroy();
      },
    ],
    ['no such layer', 'BLOB_UNKNOWN', (_, response) => void response.writeHead(404).end()],
    ['a layer that is forbidden', 'UNAUTHORIZED', (_, response) => void response.writeHead(403).end()],
    ['a failing server', 'SERVER_FAILED', (_, response) => void response.writeHead(503).end()],
    ['a page of HTML', 'SIZE_MISMATCH', (_, response) => void response.end('<html>')],
    ['another range than asked for', 'SERVER_FAILED', (_, response) => void response.writeHead(206).end()],
  ])('%s', async (_, reason, handler) => {
    expect(await failureOf(withLayer(1, handler))).toMatchObject({ reason });
  });

  test.each<[string, string, Handler]>([
    [
      'a manifest of another digest than announced',
      'DIGEST_MISMATCH',
      (_, response) => {
        const digest = `sha256:${'0'.repeat(64)}`;
        response.writeHead(200, { 'content-type': image.manifest.mediaType, 'docker-content-digest': digest });
        response.end(image.manifest.bytes);
      },
    ],
    [
      'a manifest of 100 MB',
      'LIMIT_EXCEEDED',
      (_, response) => {
        response.writeHead(200, { 'content-length': 100_000_000 });
        response.write(Buffer.alloc(1000));
      },
    ],
    [
      'a manifest without an end',
      'LIMIT_EXCEEDED',
      async (_, response) => {
        while (!response.destroyed) {
          response.write(noise);
          await sleep(1);
        }
      },
    ],
    [
      'HTML',
      'INVALID_MANIFEST',
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Welcome!</html>');
      },
    ],
    ['nothing', 'INVALID_MANIFEST', (_, response) => void response.writeHead(200).end()],
    [
      'redirects for ever',
      'UNSAFE_REDIRECT',
      (_, response, path) => {
        response.writeHead(302, { location: `${path}x` }).end();
      },
    ],
    ['a redirect to nowhere', 'UNSAFE_REDIRECT', (_, response) => void response.writeHead(302).end()],
    [
      'a redirect to a file',
      'UNSAFE_REDIRECT',
      (_, response) => {
        response.writeHead(302, { location: 'file:///etc/passwd' }).end();
      },
    ],
    [
      'a redirect to plain HTTP elsewhere',
      'UNSAFE_REDIRECT',
      (_, response) => {
        response.writeHead(302, { location: 'http://192.0.2.1/' }).end();
      },
    ],
    ['a closed connection', 'CONNECTION_FAILED', (_, response) => void response.destroy()],
    ['too many requests', 'SERVER_FAILED', (_, response) => void response.writeHead(429).end()],
  ])('%s instead of a manifest', async (_, reason, handler) => {
    expect(await failureOf(handler)).toMatchObject({ reason });
  });

  test('an index that points to itself', async () => {
    const index = buildIndex([image]);
    const failure = await failureOf((_, response) => {
      response.writeHead(200, { 'content-type': index.mediaType }).end(index.bytes);
    });
    expect(['DIGEST_MISMATCH', 'SIZE_MISMATCH']).toContain(failure.reason);
  });

  test('indexes in indexes without end', async () => {
    const nested = [image.manifest];
    for (let depth = 0; depth < 20; depth++) {
      const { mediaType, digest, size } = nested[0] ?? image.manifest;
      const platform = { os: 'linux', architecture: 'amd64' };
      const manifests = [{ mediaType, digest, size, platform }];
      nested.unshift(toJsonBlob(buildIndex([]).mediaType, { schemaVersion: 2, manifests }));
    }
    const failure = await failureOf((_, response, path) => {
      const blob = nested.find(({ digest }) => path.endsWith(digest)) ?? nested[0] ?? image.manifest;
      response.writeHead(200, { 'content-type': blob.mediaType }).end(blob.bytes);
    });
    expect(failure).toMatchObject({ reason: 'LIMIT_EXCEEDED' });
  });

  const trickle: Handler = async (_, response) => {
    response.writeHead(200, { 'content-type': image.manifest.mediaType });
    while (!response.destroyed) {
      response.write('x');
      await sleep(50);
    }
  };
  const transport = { minimumThroughput: { bytesPerSecond: 1024, window: 400 }, attempts: 2 };

  test.each<[string, Handler]>([
    ['a layer', withLayer(1, trickle)],
    ['a manifest', trickle],
    ['a layer that goes silent', withLayer(1, (_, response) => void response.write(noise.subarray(0, 1000)))],
  ])('%s that trickles ends in time', async (_, handler) => {
    const started = performance.now();
    const failure = await failureOf(handler, { transport });
    expect(failure).toMatchObject({ reason: 'TIMED_OUT', code: 'TIMEOUT' });
    expect(failure.message).toContain('fewer than 1024 bytes a second');
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test('a manifest that takes for ever, fast enough', async () => {
    const handler: Handler = async (_, response) => {
      while (!response.destroyed) {
        response.write(Buffer.alloc(1000));
        await sleep(10);
      }
    };
    const failure = await failureOf(handler, { transport: { documentTimeout: 500 } });
    expect(failure).toMatchObject({ reason: 'TIMED_OUT' });
  });

  test.each([
    ['says nothing', ''],
    ['sends its headers letter by letter', 'HTTP/1.1 200 OK\r\nx: '],
  ])('a server that %s', async (_, beginning) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write(beginning);
      const timer = setInterval(() => beginning !== '' && socket.write('y'), 50);
      socket.on('close', () => clearInterval(timer));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      const address = server.address();
      const port = typeof address === 'object' ? address?.port : undefined;
      const options = { store, platform, transport: { responseTimeout: 500, attempts: 1 } };
      const failure = await pullImage(`127.0.0.1:${port}/app`, options).catch((error) => error);
      expect(failure).toMatchObject({ reason: 'TIMED_OUT' });
    } finally {
      server.close();
    }
  });

  test('a web page says that it is one', async () => {
    const failure = await failureOf((_, response) => {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>Welcome!</html>');
    });
    expect(failure.message).toContain('a web page instead of a manifest');
    const missing = await failureOf((_, response) => {
      response.writeHead(418, { 'content-type': 'text/html' }).end('<html>Teapot</html>');
    });
    expect(missing.message).toContain('answered 418 with a web page');
  });

  test('an index that names a manifest of other content', async () => {
    const index = buildIndex([image]);
    const other = buildImage({ architecture: 'amd64', layers: [] });
    const failure = await failureOf((_, response, path) => {
      if (path.endsWith('/manifests/1')) {
        response.writeHead(200, { 'content-type': index.mediaType }).end(index.bytes);
      } else {
        // Of the same length, so that the digest must tell.
        const padding = ' '.repeat(image.manifest.size - other.manifest.size);
        response.writeHead(200, { 'content-type': other.manifest.mediaType }).end(`${other.manifest.bytes}${padding}`);
      }
    });
    expect(failure).toMatchObject({ reason: 'DIGEST_MISMATCH' });
  });

  test('a config that is not that of the manifest', async () => {
    const fewer = buildImage({ architecture: 'amd64', layers: layers.slice(1) });
    const mixed = JSON.parse(image.manifest.bytes.toString());
    const { mediaType, digest, size: configSize } = fewer.config;
    const bytes = Buffer.from(JSON.stringify({ ...mixed, config: { mediaType, digest, size: configSize } }));
    const manifest = { ...image.manifest, bytes, size: bytes.length };
    const liar: BuiltImage = { ...image, manifest, config: fewer.config };
    expect(await failureOf(serveImage(liar))).toMatchObject({ reason: 'INVALID_CONFIG' });
  });

  test('the failure of one layer ends the others at once', async () => {
    const started = performance.now();
    const failure = await failureOf(async (request, response, path) => {
      const number = image.layers.findIndex(({ digest }) => path.endsWith(digest));
      if (number === 2) response.writeHead(404).end();
      else if (number >= 0) {
        response.writeHead(200, { 'content-length': size });
        response.write(noise.subarray(0, 1000));
      } else return honest(request, response, path);
    });
    expect(failure).toMatchObject({ reason: 'BLOB_UNKNOWN' });
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test('an abort while layers are under way', async () => {
    const abort = new AbortController();
    await using registry = await startHttpServer(
      withLayer(1, (_, response) => {
        response.writeHead(200, { 'content-length': size });
        response.write(noise.subarray(0, 1000), () => abort.abort(new Error('enough')));
      }),
    );
    const pull = pullImage(`${registry.host}/app:1`, { store, platform, signal: abort.signal });
    await expect(pull).rejects.toThrow('enough');
  });
});

describe('a registry in trouble', () => {
  test('does not hold up a caller who gives up while it is asked again', async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    await using registry = await startHttpServer((_, response) => {
      response.writeHead(503, { 'retry-after': '15' }).end();
      setTimeout(() => abort.abort(reason), 50);
    });
    const pull = pullImage(`${registry.host}/app`, { store, platform, signal: abort.signal });
    await expect(pull).rejects.toBe(reason);
  });

  test.each([
    ['in seconds', () => '1'],
    ['as a date', () => new Date(Date.now() + 1999).toUTCString()],
  ])('that asks for a pause %s gets it', async (_, retryAfter) => {
    let busy = true;
    await using registry = await startHttpServer((request, response, path) => {
      if (!busy) return honest(request, response, path);
      busy = false;
      response.writeHead(429, { 'retry-after': retryAfter() }).end();
    });
    const started = performance.now();
    await pullImage(`${registry.host}/app`, { store, platform });
    expect(performance.now() - started).toBeGreaterThan(900);
  });

  test('that asks for a long pause is not waited for, and the error says how long it would be', async () => {
    const started = performance.now();
    const failure = await failureOf((_, response) => void response.writeHead(429, { 'retry-after': '3600' }).end());
    expect(failure).toMatchObject({ reason: 'SERVER_FAILED', code: 'NETWORK' });
    expect(failure.message).toContain('asks to wait 3600 s');
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test('that recovers after some failures still delivers', async () => {
    let failures = 2;
    const recovering: Handler = (request, response, path) => {
      if (failures-- > 0) response.writeHead(failures === 0 ? 429 : 502, { 'retry-after': '0' }).end();
      else return honest(request, response, path);
    };
    await using registry = await startHttpServer(recovering);
    expect((await pullImage(`${registry.host}/app`, { store, platform })).digest).toBe(image.manifest.digest);
  });

  test.each([[true], [false]])(
    'that breaks off goes on where it stopped (it knows ranges: %s)',
    async (knowsRanges) => {
      const digest = image.layers[1]?.digest ?? '';
      const bytes = image.layers[1]?.bytes ?? Buffer.alloc(0);
      let breaks = 2;
      await using registry = await startHttpServer(
        withLayer(1, async (request, response) => {
          const asked = /^bytes=([0-9]+)-$/.exec(request.headers.range ?? '');
          const offset = knowsRanges ? Number(asked?.[1] ?? 0) : 0;
          const headers = { 'content-length': bytes.length - offset };
          const range = { 'content-range': `bytes ${offset}-${bytes.length - 1}/${bytes.length}` };
          if (offset > 0) response.writeHead(206, { ...headers, ...range });
          else response.writeHead(200, headers);
          if (breaks-- === 0) {
            response.end(bytes.subarray(offset));
            return;
          }
          response.write(bytes.subarray(offset, offset + 100_000));
          await sleep(50);
          response.destroy();
        }),
      );
      await pullImage(`${registry.host}/app`, { store, platform });
      const ranges = registry.requests.filter(({ path }) => path.endsWith(digest)).map(({ headers }) => headers.range);
      expect(ranges).toHaveLength(3);
      expect(ranges.slice(1).every((range) => /^bytes=[1-9][0-9]*-$/.test(range ?? ''))).toBe(true);
    },
  );
});
