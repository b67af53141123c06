import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Authenticator } from './authentication.ts';
import { parseChallenges } from './challenge.ts';
import { HttpClient } from './http-client.ts';

let lifetime: number | undefined;
let issued = 0;
const server = createServer((_, response) => {
  issued += 1;
  response.end(
    JSON.stringify({ token: `token${issued}`, ...(lifetime === undefined ? {} : { expires_in: lifetime }) }),
  );
});
let http: HttpClient;
let base: URL;

beforeEach(async () => {
  issued = 0;
  lifetime = 300;
  http = new HttpClient();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  base = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/app/`);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await http.close();
  server.close();
  await once(server, 'close');
});

function authenticator(): Authenticator {
  const none = async () => undefined;
  const mayUse = () => true;
  const scopes = ['repository:app:pull'];
  return new Authenticator({ http, registry: base.host, base, scopes, credentials: none, realms: [], mayUse });
}

const challenge = () => parseChallenges(`Bearer realm="${base.origin}/token"`);

test('requests that are refused at the same time share one token', async () => {
  const auth = authenticator();
  const answers = await Promise.all([1, 2, 3].map(() => auth.answer(challenge(), undefined, undefined)));
  expect(new Set(answers)).toEqual(new Set(['Bearer token1']));
  expect(await auth.header()).toBe('Bearer token1');
  expect(await auth.answer(challenge(), undefined, undefined)).toBe('Bearer token1');
  expect(await auth.answer(challenge(), 'Bearer token1', undefined)).toBe('Bearer token2');
  expect(issued).toBe(2);
});

test.each([
  [300, 290, 296],
  [undefined, 50, 56],
])('a token that lives %s seconds is used up to its end, and not beyond', async (seconds, before, after) => {
  lifetime = seconds;
  const auth = authenticator();
  await auth.answer(challenge(), undefined, undefined);
  const now = performance.now();
  const clock = vi.spyOn(performance, 'now').mockReturnValue(now + before * 1000);
  expect(await auth.header()).toBe('Bearer token1');
  clock.mockReturnValue(now + after * 1000);
  expect(await auth.header()).toBeUndefined();
  expect(await auth.answer(challenge(), undefined, undefined)).toBe('Bearer token2');
});
