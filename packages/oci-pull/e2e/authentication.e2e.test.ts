import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ImageStore, pullImage, pushImage } from '../src/index.ts';
import { buildImage, startRegistry, writeImageLayout } from '../src/testing/index.ts';
import { serveImage, startHttpServer } from './http-server.ts';
import { startTokenServer, tokenIssuer, tokenService } from './token-server.ts';

const run = promisify(execFile);
const platform = { os: 'linux', architecture: 'amd64' };
const account = { username: 'ann', password: 'pässword: with a colon' };
const image = {
  architecture: 'amd64',
  layers: [1, 2, 3, 4].map((n) => ({ content: [{ path: `file${n}`, content: `${n}`.repeat(10_000) }] })),
};

let directory: string;
let store: ImageStore;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-auth-'));
  await writeImageLayout(join(directory, 'layout'), { name: 'a', images: [image] });
});

beforeEach(async () => {
  store = await ImageStore.open(await mkdtemp(join(directory, 'store-')));
});

afterEach(() => {
  vi.unstubAllEnvs();
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function push(target: string): Promise<void> {
  const credentials = ['--dest-creds', `${account.username}:${account.password}`, '--dest-tls-verify=false'];
  const source = `oci:${join(directory, 'layout')}:a`;
  await run('skopeo', ['copy', '--insecure-policy', ...credentials, source, `docker://${target}`]);
}

describe('a registry that wants to know who asks', () => {
  test('by a token server: the token is fetched once and opens the image', async () => {
    await using tokens = await startTokenServer(directory, account);
    const realm = `http://${tokens.host}/token`;
    const settings = { realm, service: tokenService, issuer: tokenIssuer, rootcertbundle: tokens.certificateFile };
    await using registry = await startRegistry({ auth: { token: settings } });
    const name = `${registry.host}/private/app:1`;
    await push(name);
    tokens.requests.length = 0;

    await expect(pullImage(name, { store, platform })).rejects.toMatchObject({ reason: 'UNAUTHORIZED' });
    const wrong = { ...account, password: 'wrong' };
    const registries = { [registry.host]: { realms: [tokens.host] } };
    const refused = await pullImage(name, { store, platform, credentials: wrong, registries }).catch((error) => error);
    expect(refused).toMatchObject({ reason: 'UNAUTHORIZED', code: 'PULL_FAILED' });
    expect(JSON.stringify(refused) + refused.message).not.toContain('wrong');
    expect(await store.list()).toEqual([]);

    tokens.requests.length = 0;
    const pulled = await pullImage(name, { store, platform, credentials: account, registries });
    expect(pulled.layers).toHaveLength(4);
    expect(tokens.requests.map(({ query }) => query.get('scope'))).toEqual(['repository:private/app:pull']);

    tokens.requests.length = 0;
    const target = `${registry.host}/private/copy:1`;
    await pushImage(store, name, { target, credentials: account, registries });
    expect(new Set(tokens.requests.flatMap(({ query }) => query.getAll('scope')))).toEqual(
      new Set(['repository:private/copy:pull,push', 'repository:private/app:pull']),
    );
    expect(tokens.requests).toHaveLength(1);
    const back = await pullImage(target, { store, platform, credentials: account, registries, policy: 'always' });
    expect(back.digest).toBe(pulled.digest);
  });

  test('by a token server of another name: it is asked without the credentials, and the error says how to allow it', async () => {
    await using tokens = await startTokenServer(directory, account);
    const realm = `http://${tokens.host}/token`;
    const settings = { realm, service: tokenService, issuer: tokenIssuer, rootcertbundle: tokens.certificateFile };
    await using registry = await startRegistry({ auth: { token: settings } });
    const name = `${registry.host}/private/app:1`;
    const failure = await pullImage(name, { store, platform, credentials: account }).catch((error) => error);
    expect(failure).toMatchObject({ reason: 'UNAUTHORIZED' });
    expect(failure.message).toContain(`not sent to its token server ${tokens.host}`);
    expect(failure.remedy).toContain(`registries: { "${registry.host}": { realms: ['${tokens.host}'] } }`);
    expect(tokens.requests).toHaveLength(1);
    expect(tokens.requests[0]?.headers).not.toHaveProperty('authorization');
  });

  test('by a password', async () => {
    const file = join(directory, 'htpasswd');
    await run('htpasswd', ['-Bbc', file, account.username, account.password]);
    await using registry = await startRegistry({ auth: { htpasswd: { realm: 'test', path: file } } });
    const name = `${registry.host}/private/app:1`;
    await push(name);
    await expect(pullImage(name, { store, platform })).rejects.toMatchObject({ reason: 'UNAUTHORIZED' });
    const wrong = { ...account, username: 'bob' };
    const refused = pullImage(name, { store, platform, credentials: wrong });
    await expect(refused).rejects.toMatchObject({ reason: 'UNAUTHORIZED' });
    expect((await pullImage(name, { store, platform, credentials: account })).layers).toHaveLength(4);
  });
});

describe('credentials from the configuration of Docker', () => {
  const encoded = Buffer.from(`${account.username}:${account.password}`).toString('base64');

  async function dockerConfig(content: unknown): Promise<string> {
    const config = await mkdtemp(join(directory, 'docker-'));
    await writeFile(join(config, 'config.json'), typeof content === 'string' ? content : JSON.stringify(content));
    return config;
  }

  test('open a registry with a password, and are read again at each pull', async () => {
    const file = join(directory, 'htpasswd-config');
    await run('htpasswd', ['-Bbc', file, account.username, account.password]);
    await using registry = await startRegistry({ auth: { htpasswd: { realm: 'test', path: file } } });
    const name = `${registry.host}/private/app:1`;
    await push(name);
    const config = await dockerConfig({ auths: { [registry.host]: { auth: encoded } } });
    expect((await pullImage(name, { store, platform, dockerConfig: config })).layers).toHaveLength(4);
    vi.stubEnv('DOCKER_CONFIG', config);
    expect((await pullImage(name, { store, platform, policy: 'always' })).layers).toHaveLength(4);

    await writeFile(join(config, 'config.json'), '{}');
    await expect(pullImage(name, { store, platform, policy: 'always' })).rejects.toMatchObject({
      reason: 'UNAUTHORIZED',
    });
    await writeFile(join(config, 'config.json'), '{"auths": secret');
    const failure = await pullImage(name, { store, platform, policy: 'always' }).catch((error) => error);
    expect(failure).toMatchObject({ reason: 'CREDENTIALS_FAILED' });
    expect(failure.message).toContain(join(config, 'config.json'));
    expect(JSON.stringify(failure)).not.toContain('secret');
    expect((await pullImage(name, { store, platform, policy: 'always', credentials: account })).layers).toHaveLength(4);
  });

  test('from a helper program open it too', async () => {
    const file = join(directory, 'htpasswd-helper');
    await run('htpasswd', ['-Bbc', file, account.username, account.password]);
    await using registry = await startRegistry({ auth: { htpasswd: { realm: 'test', path: file } } });
    const name = `${registry.host}/private/app:1`;
    await push(name);
    const bin = await mkdtemp(join(directory, 'bin-'));
    const answer = JSON.stringify({ ServerURL: '', Username: account.username, Secret: account.password });
    const script = `#!/bin/sh\n[ "$1" = get ] && [ "$(cat)" = "${registry.host}" ] && echo '${answer}'\n`;
    await writeFile(join(bin, 'docker-credential-test'), script, { mode: 0o755 });
    vi.stubEnv('PATH', `${bin}:${process.env['PATH']}`);
    const config = await dockerConfig({ credHelpers: { [registry.host]: 'test' } });
    expect((await pullImage(name, { store, platform, dockerConfig: config })).layers).toHaveLength(4);
  });

  test('that are an identity token are changed into a token by OAuth 2', async () => {
    const bodies: URLSearchParams[] = [];
    const serve = serveImage(buildImage(image));
    await using registry = await startHttpServer(async (request, response, path) => {
      if (path === '/token') {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk);
        bodies.push(new URLSearchParams(Buffer.concat(chunks).toString()));
        response.writeHead(200).end('{"access_token":"short","expires_in":300}');
      } else if (request.headers.authorization === 'Bearer short') await serve(request, response, path);
      else {
        const challenge = `Basic realm="x", Bearer realm="http://${registry.host}/token",service="here"`;
        response.writeHead(401, { 'www-authenticate': challenge }).end();
      }
    });
    const config = await dockerConfig({ auths: { [registry.host]: { identitytoken: 'long & secret' } } });
    await pullImage(`${registry.host}/app`, { store, platform, dockerConfig: config });
    expect(bodies.map((body) => Object.fromEntries(body))).toEqual([
      {
        grant_type: 'refresh_token',
        refresh_token: 'long & secret',
        client_id: 'zlayer',
        scope: 'repository:app:pull',
        service: 'here',
      },
    ]);
    expect(registry.requests.find(({ path }) => path === '/token')).toMatchObject({ method: 'POST' });
  });

  test('that are a registry token are sent as they are', async () => {
    const serve = serveImage(buildImage(image));
    await using registry = await startHttpServer((request, response, path) => {
      if (request.headers.authorization === 'Bearer opens') return serve(request, response, path);
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${registry.host}/token"` }).end();
    });
    const registries = { [registry.host]: { credentials: { registryToken: 'opens' } } };
    await pullImage(`${registry.host}/app`, { store, platform, registries });
    expect(registry.requests.filter(({ path }) => path === '/token')).toEqual([]);
  });

  test('are asked for only when a registry wants to know who is there', async () => {
    await using registry = await startHttpServer(serveImage(buildImage(image)));
    const config = await dockerConfig({ credsStore: 'there-is-no-such-helper' });
    await pullImage(`${registry.host}/app`, { store, platform, dockerConfig: config });
  });
});

describe('credentials reach nobody they are not meant for', () => {
  const basic = `Basic ${Buffer.from(`${account.username}:${account.password}`).toString('base64')}`;

  test('a redirect to another origin does not carry them', async () => {
    const serve = serveImage(buildImage(image));
    await using elsewhere = await startHttpServer(serve);
    await using registry = await startHttpServer((request, response, path) => {
      if (request.headers.authorization !== basic) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
      } else if (path.includes('/blobs/')) {
        response.writeHead(307, { location: `http://${elsewhere.host}${path}?signature=1` }).end();
      } else {
        return serve(request, response, path);
      }
    });
    await pullImage(`${registry.host}/app`, { store, platform, credentials: account });
    expect(elsewhere.requests).toHaveLength(5);
    expect(elsewhere.requests.filter(({ headers }) => 'authorization' in headers)).toEqual([]);
    expect(registry.requests.filter(({ headers }) => headers.authorization === basic)).toHaveLength(6);
  });

  test('a challenge of the redirect target is not answered', async () => {
    await using elsewhere = await startHttpServer((_, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="phishing"' }).end();
    });
    await using registry = await startHttpServer((_, response, path) => {
      response.writeHead(307, { location: `http://${elsewhere.host}${path}` }).end();
    });
    const pull = pullImage(`${registry.host}/app`, { store, platform, credentials: account });
    await expect(pull).rejects.toMatchObject({ reason: 'UNAUTHORIZED' });
    expect(elsewhere.requests.filter(({ headers }) => 'authorization' in headers)).toEqual([]);
  });

  test.each([
    ['ftp://127.0.0.1/token'],
    ['http://192.0.2.1/token'],
    ['http://user:pass@127.0.0.1/token'],
    ['file:///etc/passwd'],
    ['token'],
    [''],
  ])('a token server at %j is not asked', async (realm) => {
    await using registry = await startHttpServer((_, response) => {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end();
    });
    const pull = pullImage(`${registry.host}/app`, { store, platform, credentials: account });
    await expect(pull).rejects.toMatchObject({ reason: 'UNSAFE_REDIRECT' });
  });

  test('a token that opens nothing is not fetched for ever', async () => {
    await using registry = await startHttpServer((_, response, path) => {
      if (path === '/token') response.writeHead(200).end('{"token":"useless"}');
      else {
        const challenge = `Bearer realm="http://${registry.host}/token"`;
        response.writeHead(401, { 'www-authenticate': challenge }).end();
      }
    });
    await expect(pullImage(`${registry.host}/app`, { store, platform })).rejects.toMatchObject({
      reason: 'UNAUTHORIZED',
    });
    expect(registry.requests.length).toBe(3);
  });

  test.each([
    ['an empty object', '{}'],
    ['a number', '{"token":5}'],
    ['a header of its own', '{"token":"a\\r\\nx: y"}'],
    ['HTML', '<html>'],
    ['two megabytes', `{"token":"${'a'.repeat(2_000_000)}"}`],
  ])('a token server that answers %s is an error', async (_, answer) => {
    await using registry = await startHttpServer((__, response, path) => {
      if (path === '/token') response.writeHead(200).end(answer);
      else response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${registry.host}/token"` }).end();
    });
    const failure = await pullImage(`${registry.host}/app`, { store, platform }).catch((error) => error);
    expect(['SERVER_FAILED', 'LIMIT_EXCEEDED']).toContain(failure.reason);
  });
});
