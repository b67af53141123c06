import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ImageStore, pullImage, pushImage } from '../src/index.ts';
import { buildImage, pushLayout, type RegistryServer, startRegistry, writeImageLayout } from '../src/testing/index.ts';
import { forwardTo, type HttpServer, startHttpServer } from './http-server.ts';

const run = promisify(execFile);
const platform = { os: 'linux', architecture: 'amd64' };
const image = buildImage({ architecture: 'amd64', layers: [{ content: [{ path: 'a', content: 'b' }] }] });

let directory: string;
let registry: RegistryServer;
let store: ImageStore;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-proxies-'));
  registry = await startRegistry();
  await writeImageLayout(join(directory, 'layout'), { name: 'a', images: [image] });
  await pushLayout(join(directory, 'layout'), 'a', `${registry.host}/app:1`);
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=registry.test'];
  const names = ['-addext', 'subjectAltName=DNS:registry.test,IP:127.0.0.1'];
  const files = ['-keyout', join(directory, 'key.pem'), '-out', join(directory, 'cert.pem')];
  await run('openssl', [...request, ...names, ...files]);
});

beforeEach(async () => {
  store = await ImageStore.open(await mkdtemp(join(directory, 'store-')));
  for (const name of ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']) {
    vi.stubEnv(name, undefined);
  }
});

afterEach(() => {
  vi.unstubAllEnvs();
});

afterAll(async () => {
  await registry?.close();
  await rm(directory, { recursive: true, force: true });
});

interface ForwardingProxy extends AsyncDisposable {
  readonly host: string;
  /** What was asked for: `GET http://…` or `CONNECT host:port`. */
  readonly asked: string[];
  readonly authorizations: (string | undefined)[];
}

/** A forwarding proxy in whose world `registry.test` is a loopback host. */
async function startProxy(target: string): Promise<ForwardingProxy> {
  const asked: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const note = (request: IncomingMessage) => {
    asked.push(`${request.method} ${request.url}`);
    authorizations.push(request.headers['proxy-authorization']);
  };
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((request, response) => {
    note(request);
    const { pathname, search } = new URL(request.url ?? '');
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const onward = httpRequest(`http://${target}${pathname}${search}`, { method: request.method, headers });
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  server.on('connect', (request, socket) => {
    note(request);
    const onward = connect(Number(target.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    for (const end of [socket, onward]) {
      sockets.add(end);
      end.on('error', () => undefined);
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    authorizations,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The registry over https, under the name `registry.test` and on the loopback address. */
async function startTlsFront(): Promise<HttpServer> {
  const [key, cert] = await Promise.all(['key.pem', 'cert.pem'].map((name) => readFile(join(directory, name))));
  return await startHttpServer(forwardTo(registry.host), (handler) => createTlsServer({ key, cert }, handler));
}

describe('a proxy of the environment', () => {
  test('is asked for registries that are spoken to over plain HTTP', async () => {
    await using proxy = await startProxy(registry.host);
    vi.stubEnv('HTTP_PROXY', `http://ann:p%40ss@${proxy.host}`);
    const name = 'registry.test:5000/app:1';
    await pullImage(name, { store, platform, insecureRegistries: ['registry.test:5000'] });
    expect(proxy.asked[0]).toBe('GET http://registry.test:5000/v2/app/manifests/1');
    expect(proxy.asked).toHaveLength(3);
    expect(new Set(proxy.authorizations)).toEqual(new Set([`Basic ${Buffer.from('ann:p@ss').toString('base64')}`]));
    const target = 'registry.test:5000/pushed:1';
    await pushImage(store, name, { target, insecureRegistries: ['registry.test:5000'] });
    expect(proxy.asked.at(-1)).toBe('PUT http://registry.test:5000/v2/pushed/manifests/1');
  });

  test('only connects to registries that are spoken to over https, and sees nothing of it', async () => {
    await using front = await startTlsFront();
    await using proxy = await startProxy(front.host);
    vi.stubEnv('https_proxy', `http://${proxy.host}`);
    vi.stubEnv('HTTPS_PROXY', 'http://upper.case.is.second:1');
    const ca = await readFile(join(directory, 'cert.pem'), 'utf8');
    await pullImage('registry.test/app:1', { store, platform, registries: { 'registry.test': { ca } } });
    expect(new Set(proxy.asked)).toEqual(new Set(['CONNECT registry.test:443']));
    const untrusted = pullImage('registry.test/app:1', { store, platform, policy: 'always' });
    await expect(untrusted).rejects.toMatchObject({ reason: 'CONNECTION_FAILED' });
  });

  test('is not asked for what NO_PROXY names, nor for this machine itself', async () => {
    await using proxy = await startProxy(registry.host);
    vi.stubEnv('HTTP_PROXY', proxy.host);
    vi.stubEnv('NO_PROXY', 'other.test,.test');
    await pullImage(`${registry.host}/app:1`, { store, platform });
    const insecureRegistries = ['registry.test:5000'];
    const direct = pullImage('registry.test:5000/app:1', { store, platform, insecureRegistries });
    await expect(direct).rejects.toMatchObject({ reason: 'CONNECTION_FAILED' });
    expect(proxy.asked).toEqual([]);
  });

  test('that is gone or is no URL is an error that tells so', async () => {
    const proxy = await startProxy(registry.host);
    await proxy[Symbol.asyncDispose]();
    const insecureRegistries = ['registry.test:5000'];
    const pull = () => pullImage('registry.test:5000/app:1', { store, platform, insecureRegistries });
    vi.stubEnv('HTTP_PROXY', `http://${proxy.host}`);
    const failure = await pull().catch((error) => error);
    expect(failure).toMatchObject({ reason: 'CONNECTION_FAILED', code: 'NETWORK' });
    expect(failure.remedy).toContain(`the proxy ${proxy.host}`);
    vi.stubEnv('HTTP_PROXY', 'socks5://127.0.0.1:1');
    await expect(pull()).rejects.toThrow('HTTP_PROXY');
  });
});

describe('a registry with a certificate of its own', () => {
  test('is refused, unless the certificate is trusted or none is asked for', async () => {
    await using front = await startTlsFront();
    const name = `${front.host}/app:1`;
    const pull = (settings: object) =>
      pullImage(name, {
        store,
        platform,
        policy: 'always',
        registries: { [front.host]: { scheme: 'https', ...settings } },
      });
    const failure = await pull({}).catch((error) => error);
    expect(failure).toMatchObject({ reason: 'CONNECTION_FAILED' });
    expect(failure.remedy).toContain('registries[host].ca');
    await pull({ ca: await readFile(join(directory, 'cert.pem'), 'utf8') });
    await pull({ verifyCertificate: false });
    await expect(pull({ scheme: 'http' })).rejects.toMatchObject({ code: 'NETWORK' });
  });
});
