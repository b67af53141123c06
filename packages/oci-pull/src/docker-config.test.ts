import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { dockerCredentials } from './docker-config.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-docker-'));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true });
});

const base64 = (text: string) => Buffer.from(text).toString('base64');

async function lookUp(registry: string, config: unknown) {
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  await writeFile(join(directory, 'config.json'), text);
  return await dockerCredentials(registry, { directory });
}

async function helper(name: string, script: string): Promise<void> {
  await writeFile(join(directory, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${directory}:${process.env['PATH']}`);
}

describe("Docker's configuration", () => {
  test('may be missing', async () => {
    expect(await dockerCredentials('a.example', { directory })).toBeUndefined();
    expect(await dockerCredentials('a.example', { directory: join(directory, 'none') })).toBeUndefined();
  });

  test('is found where DOCKER_CONFIG says', async () => {
    await lookUp('', { auths: { 'a.example': { auth: base64('ann:secret') } } });
    vi.stubEnv('DOCKER_CONFIG', directory);
    expect(await dockerCredentials('a.example')).toEqual({ username: 'ann', password: 'secret' });
  });

  const account = { username: 'ann', password: 'a:b' };
  test.each<[string, string, unknown, unknown]>([
    ['a host', 'a.example', { 'a.example': { auth: base64('ann:a:b') } }, account],
    ['a host with a port', 'a.example:5000', { 'a.example:5000': { auth: base64('ann:a:b') } }, account],
    ['a URL', 'a.example', { 'https://a.example/v1/': { auth: base64('ann:a:b') } }, account],
    [
      'the old name of Docker Hub',
      'docker.io',
      { 'https://index.docker.io/v1/': { auth: base64('ann:a:b') } },
      account,
    ],
    ['its name', 'docker.io', { 'docker.io': { auth: base64('ann:a:b') } }, account],
    ['name and password in clear', 'a.example', { 'a.example': account }, account],
    [
      'an identity token',
      'a.example',
      { 'a.example': { auth: base64('ann:'), identitytoken: 'i' } },
      { identityToken: 'i' },
    ],
    ['a registry token', 'a.example', { 'a.example': { registrytoken: 'r' } }, { registryToken: 'r' }],
    ['another host', 'a.example', { 'b.example': { auth: base64('ann:a:b') } }, undefined],
    ['another port', 'a.example:5000', { 'a.example': { auth: base64('ann:a:b') } }, undefined],
    ['an entry with nothing in it', 'a.example', { 'a.example': {} }, undefined],
    ['no entries', 'a.example', {}, undefined],
  ])('with %s', async (_, registry, auths, expected) => {
    expect(await lookUp(registry, { auths })).toEqual(expected);
  });

  test.each<[string, unknown]>([
    ['is no JSON', '{"auths": "c2VjcmV0'],
    ['is a list', '[]'],
    ['has auths that are none', { auths: ['c2VjcmV0'] }],
    ['has an entry that is none', { auths: { 'a.example': 'c2VjcmV0' } }],
    ['has base64 that is none', { auths: { 'a.example': { auth: 'c2VjcmV0!!' } } }],
    ['has an account without a name', { auths: { 'a.example': { auth: base64(':c2VjcmV0') } } }],
    ['has an account without a colon', { auths: { 'a.example': { auth: base64('c2VjcmV0') } } }],
    ['has helpers that are none', { credHelpers: { 'a.example': 5 } }],
    ['is far too long', `{"auths":{}}${' '.repeat(2_000_000)}`],
  ])('that %s is an error that names the file and tells nothing of what is in it', async (_, config) => {
    const failure = await lookUp('a.example', config).catch((error) => error);
    expect(failure).toMatchObject({ reason: 'CREDENTIALS_FAILED', code: 'UNAVAILABLE' });
    expect(failure.message).toContain(join(directory, 'config.json'));
    expect(JSON.stringify(failure)).not.toMatch(/c2VjcmV0|secret/);
  });
});

describe('a credential helper', () => {
  const answer = (username: string, secret: string) =>
    `echo '${JSON.stringify({ Username: username, Secret: secret })}'`;

  test('for one registry goes before the one for all, and that before the file', async () => {
    await helper('one', `[ "$(cat)" = a.example ] && ${answer('one', 's')}`);
    await helper(
      'all',
      `case "$(cat)" in b.example) ${answer('all', 's')};; *) echo 'credentials not found'; exit 1;; esac`,
    );
    const config = {
      credHelpers: { 'a.example': 'one' },
      credsStore: 'all',
      auths: { 'b.example': { auth: base64('file:s') }, 'c.example': { auth: base64('file:s') } },
    };
    const names = ['a.example', 'b.example', 'c.example', 'd.example'];
    const found = await Promise.all(names.map((name) => lookUp(name, config)));
    expect(found.map((each) => each && 'username' in each && each.username)).toEqual(['one', 'all', 'file', undefined]);
  });

  test('is asked for Docker Hub under its old name', async () => {
    await helper('hub', `[ "$(cat)" = https://index.docker.io/v1/ ] && ${answer('ann', 's')}`);
    expect(await lookUp('docker.io', { credsStore: 'hub' })).toEqual({ username: 'ann', password: 's' });
  });

  test('may give an identity token', async () => {
    await helper('token', answer('<token>', 'long'));
    expect(await lookUp('a.example', { credsStore: 'token' })).toEqual({ identityToken: 'long' });
  });

  test.each<[string, string, RegExp]>([
    ['fails', 'echo "the key ring is locked" >&2; exit 3', /ended with 3: the key ring is locked/],
    ['says no JSON', 'echo hello', /Its answer is not JSON/],
    ['says too much', 'head -c 1000000 /dev/zero', /more than 262144 bytes/],
    ['is killed', 'kill -9 $$', /SIGKILL/],
  ])('that %s is an error with its words', async (_, script, message) => {
    await helper('bad', script);
    const failure = await lookUp('a.example', { credsStore: 'bad' }).catch((error) => error);
    expect(failure).toMatchObject({
      reason: 'CREDENTIALS_FAILED',
      remedy: expect.stringContaining('docker-credential-bad'),
    });
    expect(failure.message).toMatch(message);
  });

  test('that is not installed is an error that names it', async () => {
    await expect(lookUp('a.example', { credsStore: 'not-there' })).rejects.toThrow(
      'docker-credential-not-there gives no credentials for a.example: it is not in PATH',
    );
  });

  test.each(['../evil', '/bin/sh', '', 'a b'])('of the name %j is not run', async (name) => {
    const failure = await lookUp('a.example', { credsStore: name }).catch((error) => error);
    if (name === '') expect(failure).toBeUndefined();
    else expect(failure).toMatchObject({ reason: 'CREDENTIALS_FAILED' });
  });

  test('is not waited for when the caller gives up, even if a child of it holds on', async () => {
    await helper('slow', 'sleep 30 & sleep 30');
    await writeFile(join(directory, 'config.json'), '{"credsStore":"slow"}');
    const started = performance.now();
    const look = dockerCredentials('a.example', { directory, signal: AbortSignal.timeout(200) });
    await expect(look).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(performance.now() - started).toBeLessThan(3000);
  });
});
