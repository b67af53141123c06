import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { OciError } from './errors.ts';
import { formatReference, parseReference } from './reference.ts';

const sha256 = `sha256:${'0123456789abcdef'.repeat(4)}`;
const sha512 = `sha512:${'0123456789abcdef'.repeat(8)}`;

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('a reference names the image that every other tool means by it', () => {
  test.each([
    ['alpine', 'docker.io/library/alpine:latest'],
    ['alpine:3.20', 'docker.io/library/alpine:3.20'],
    ['user/app', 'docker.io/user/app:latest'],
    ['docker.io/alpine', 'docker.io/library/alpine:latest'],
    ['index.docker.io/library/alpine', 'docker.io/library/alpine:latest'],
    ['localhost', 'docker.io/library/localhost:latest'],
    ['localhost:5000', 'docker.io/library/localhost:5000'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['127.0.0.1:5000/a/b/c:1', '127.0.0.1:5000/a/b/c:1'],
    ['[::1]:5000/app:v1', '[::1]:5000/app:v1'],
    ['[2001:db8::1]/app', '[2001:db8::1]/app:latest'],
    ['GHCR.io/owner/app', 'ghcr.io/owner/app:latest'],
    ['example.com/a__b/c-d--e/f.g_h', 'example.com/a__b/c-d--e/f.g_h:latest'],
    [`alpine@${sha256}`, `docker.io/library/alpine@${sha256}`],
    [`example.com:443/a:tag@${sha512}`, `example.com:443/a:tag@${sha512}`],
    [`a:${'t'.repeat(128)}`, `docker.io/library/a:${'t'.repeat(128)}`],
  ])('%s is %s', (text, full) => {
    expect(formatReference(parseReference(text))).toBe(full);
  });

  test('a name without registry belongs to the configured one, without the library of Docker Hub', () => {
    expect(formatReference(parseReference('app', { defaultRegistry: 'reg.example:5000' }))).toBe(
      'reg.example:5000/app:latest',
    );
    vi.stubEnv('ZLAYER_DEFAULT_REGISTRY', 'env.example');
    expect(formatReference(parseReference('app'))).toBe('env.example/app:latest');
    expect(formatReference(parseReference('docker.io/app'))).toBe('docker.io/library/app:latest');
    vi.stubEnv('ZLAYER_DEFAULT_REGISTRY', 'not a host');
    expect(() => parseReference('app')).toThrow(/not a host/);
  });
});

describe('a text that is no reference is refused before anything is asked of a registry', () => {
  test.each([
    [''],
    [' alpine'],
    ['Alpine'],
    ['example.com/UPPER'],
    ['a//b'],
    ['a/'],
    ['/a'],
    ['a..b'],
    ['a___b'],
    ['-a'],
    ['a-'],
    ['a:'],
    ['a:.tag'],
    [`a:${'t'.repeat(129)}`],
    ['a@sha256:abc'],
    [`a@${sha256.toUpperCase()}`],
    ['a@md5:d41d8cd98f00b204e9800998ecf8427e'],
    ['example.com:0/a'],
    ['example.com:65536/a'],
    ['example.com:port/a'],
    ['-bad.example/a'],
    ['bad-.example/a'],
    ['[::1/a'],
    ['[::g]/a'],
    ['[fe80::1%eth0]/a'],
    ['[::1]'],
    ['user@example.com/a'],
    ['https://example.com/a'],
    ['../a'],
    ['a/../b'],
    ['a\0b'],
    ['a\nb'],
    [`${'a'.repeat(244)}/b:1`],
    ['0'.repeat(64)],
    ['a'.repeat(10_000)],
  ])('%j', (text) => {
    const parse = () => parseReference(text, { defaultRegistry: 'docker.io' });
    expect(parse).toThrow(OciError);
    expect(parse).toThrow(expect.objectContaining({ reason: 'INVALID_REFERENCE', code: 'INVALID_SPEC' }));
  });
});

describe('for any text', () => {
  const label = fc.stringMatching(/^[a-z0-9]{1,8}(-[a-z0-9]{1,4})?$/);
  const component = fc.stringMatching(/^[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}$/);
  const registry = fc.oneof(
    fc.tuple(label, label).map((labels) => labels.join('.')),
    fc.constantFrom('localhost', '[::1]', '127.0.0.1'),
  );
  const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined });
  const tag = fc.option(fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/), { nil: undefined });
  const digest = fc.option(fc.constantFrom(sha256, sha512), { nil: undefined });

  test('a full name survives parsing and formatting', () => {
    const names = fc.tuple(registry, port, fc.array(component, { minLength: 2, maxLength: 4 }), tag, digest);
    fc.assert(
      fc.property(names, ([host, number, path, label, hash]) => {
        const version = label ?? (hash === undefined ? 'latest' : undefined);
        const name = `${host}${number === undefined ? '' : `:${number}`}/${path.join('/')}`;
        const text = `${name}${version === undefined ? '' : `:${version}`}${hash === undefined ? '' : `@${hash}`}`;
        expect(formatReference(parseReference(text))).toBe(text);
      }),
    );
  });

  test('it is refused with a typed error, or its full form means the same again', () => {
    const texts = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.string({ unit: fc.constantFrom(...'aZ0./:@-_[]%'), maxLength: 40 }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          const reference = parseReference(text);
          const full = formatReference(reference);
          expect(parseReference(full)).toEqual(reference);
          expect(new URL(`https://${reference.registry}/v2/${reference.repository}/`).pathname).toBe(
            `/v2/${reference.repository}/`,
          );
        } catch (error) {
          if (!(error instanceof OciError)) throw error;
          expect(error.reason).toBe('INVALID_REFERENCE');
        }
      }),
      { numRuns: 2000 },
    );
  });
});
