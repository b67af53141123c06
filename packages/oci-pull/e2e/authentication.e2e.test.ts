import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ImageStore, pullImage } from '../src/index.ts';
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
    const refused = await pullImage(name, { store, platform, credentials: wrong }).catch((error) => error);
    expect(refused).toMatchObject({ reason: 'UNAUTHORIZED', code: 'PULL_FAILED' });
    expect(JSON.stringify(refused) + refused.message).not.toContain('wrong');
    expect(await store.list()).toEqual([]);

    tokens.requests.length = 0;
    const pulled = await pullImage(name, { store, platform, credentials: account });
    expect(pulled.layers).toHaveLength(4);
    expect(tokens.requests.map(({ query }) => query.get('scope'))).toEqual(['repository:private/app:pull']);
  });

  test('by a password', async () => {
    const file = join(directory, 'htpasswd');
    await writeFile(file, await htpasswdLine(account));
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

/** docker-registry takes bcrypt alone, which neither Node.js nor openssl can make. */
async function htpasswdLine({ username, password }: typeof account): Promise<string> {
  const code = 'import crypt,sys; print(crypt.crypt(sys.argv[1], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=2**5)))';
  const { stdout } = await run('python3', ['-W', 'ignore', '-c', code, password]);
  return `${username}:${stdout.trim().replace(/^\$2b\$/, '$2y$')}\n`;
}
