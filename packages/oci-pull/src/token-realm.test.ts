import { expect, test } from 'vitest';
import { mayReceiveCredentials } from './token-realm.ts';

const hub = 'https://registry-1.docker.io/v2/';

test.each([
  ['https://auth.docker.io/token', 'docker.io', hub, true],
  ['https://auth.docker.io.evil.example/token', 'docker.io', hub, false],
  ['https://gitlab.com/jwt/auth', 'registry.gitlab.com', 'https://registry.gitlab.com/v2/', true],
  ['https://gitlab.com/jwt/auth', 'evil.example', 'https://evil.example/v2/', false],
  ['https://ghcr.io/token', 'ghcr.io', 'https://ghcr.io/v2/', true],
  ['https://ghcr.io:8443/token', 'ghcr.io', 'https://ghcr.io/v2/', true],
  ['https://auth.reg.example/token', 'reg.example', 'https://reg.example/v2/', true],
  ['https://example/token', 'reg.example', 'https://reg.example/v2/', false],
  ['https://auth.example/token', 'reg.example', 'https://reg.example/v2/', false],
  ['https://notreg.example/token', 'reg.example', 'https://reg.example/v2/', false],
  ['http://reg.example/token', 'reg.example', 'https://reg.example/v2/', false],
  ['http://127.0.0.1:5000/token', '127.0.0.1:5000', 'http://127.0.0.1:5000/v2/', true],
  ['http://127.0.0.1:6000/token', '127.0.0.1:5000', 'http://127.0.0.1:5000/v2/', false],
])('the token server %s may have the credentials for %s (%s): %s', (realm, registry, base, allowed) => {
  expect(mayReceiveCredentials(new URL(realm), registry, new URL(base))).toBe(allowed);
});

test('a token server that the user listed may have them, with its port', () => {
  const ask = (realm: string) =>
    mayReceiveCredentials(new URL(realm), 'reg.example', new URL('https://reg.example'), [
      'Auth.example',
      'b.example:1',
    ]);
  expect(ask('https://auth.example/token')).toBe(true);
  expect(ask('https://auth.example:444/token')).toBe(false);
  expect(ask('https://b.example:1/token')).toBe(true);
  expect(ask('https://b.example/token')).toBe(false);
});
