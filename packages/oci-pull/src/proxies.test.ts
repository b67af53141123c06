import { expect, test } from 'vitest';
import { proxyFor } from './proxies.ts';

const proxyOf = (url: string, environment: Record<string, string>) => proxyFor(new URL(url), environment)?.href;

test('each protocol has a proxy of its own, and lower case goes first', () => {
  const both = { HTTP_PROXY: 'http://plain:1', HTTPS_PROXY: 'https://secret:2' };
  expect(proxyOf('http://a.example', both)).toBe('http://plain:1/');
  expect(proxyOf('https://a.example', both)).toBe('https://secret:2/');
  expect(proxyOf('https://a.example', { ...both, https_proxy: 'http://lower:3' })).toBe('http://lower:3/');
  expect(proxyOf('https://a.example', { HTTP_PROXY: 'http://plain:1' })).toBeUndefined();
  expect(proxyOf('https://a.example', { HTTPS_PROXY: 'host:3128' })).toBe('http://host:3128/');
  expect(proxyOf('https://a.example', { HTTPS_PROXY: '' })).toBeUndefined();
});

test.each([
  ['https://a.example', '*', true],
  ['https://a.example', 'a.example', true],
  ['https://A.example', 'x, A.EXAMPLE', true],
  ['https://b.a.example', 'a.example', true],
  ['https://b.a.example', '.a.example', true],
  ['https://b.a.example', '*.a.example', true],
  ['https://a.example', '*.a.example', false],
  ['https://ba.example', 'a.example', false],
  ['https://a.example.evil', 'a.example', false],
  ['https://a.example', 'a.example:443', true],
  ['https://a.example:5000', 'a.example:443', false],
  ['http://a.example', 'a.example:80', true],
  ['https://192.0.2.7', '192.0.2.7', true],
  ['https://192.0.2.7', '192.0.2.0/24', true],
  ['https://192.0.3.7', '192.0.2.0/24', false],
  ['https://192.0.2.7', '192.0.2.0/99', false],
  ['https://192.0.2.7', '.2.7', false],
  ['https://[2001:db8::1]', '[2001:db8::1]', true],
  ['https://[2001:db8::1]:5000', '[2001:db8::1]:5000', true],
  ['https://[2001:db8::1]', '2001:db8::/32', true],
  ['https://a.example', '', false],
])('%s is asked directly under NO_PROXY=%s: %s', (url, list, direct) => {
  const proxy = proxyOf(url, { HTTPS_PROXY: 'http://proxy:1', HTTP_PROXY: 'http://proxy:1', NO_PROXY: list });
  expect(proxy === undefined).toBe(direct);
});

test.each(['http://localhost:5000', 'http://127.0.0.1', 'https://[::1]', 'http://a.localhost'])(
  'this machine itself (%s) is never asked through a proxy',
  (url) => {
    expect(proxyOf(url, { HTTP_PROXY: 'http://proxy:1', HTTPS_PROXY: 'http://proxy:1' })).toBeUndefined();
  },
);

test.each(['socks5://a:1', 'http://', '://'])(
  'a proxy %j is an error that names the variable, not its content',
  (value) => {
    const ask = () => proxyOf('https://a.example', { HTTPS_PROXY: value });
    expect(ask).toThrow(expect.objectContaining({ reason: 'CONNECTION_FAILED' }));
    expect(ask).toThrow('HTTPS_PROXY');
  },
);
