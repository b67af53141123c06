import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { imageReferenceCandidates } from './image-reference-candidates.ts';

const sha256 = `sha256:${'0123456789abcdef'.repeat(4)}`;

describe('imageReferenceCandidates', () => {
  it('lists the spellings of an image of Docker Hub in their order', () => {
    expect(imageReferenceCandidates('docker.io/alpine:3')).toEqual([
      'docker.io/alpine:3',
      'docker.io/library/alpine:3',
      'library/alpine:3',
      'alpine:3',
      'index.docker.io/library/alpine:3',
      'index.docker.io/alpine:3',
      'registry-1.docker.io/library/alpine:3',
      'registry-1.docker.io/alpine:3',
    ]);
  });

  it.each([
    ['GHCR.io/a/b', ['GHCR.io/a/b', 'ghcr.io/a/b:latest', 'ghcr.io/a/b']],
    ['localhost:5000/app:1', ['localhost:5000/app:1']],
    ['[::1]:5000/app', ['[::1]:5000/app', '[::1]:5000/app:latest']],
    [`ghcr.io/a/b:1@${sha256}`, [`ghcr.io/a/b:1@${sha256}`, `ghcr.io/a/b@${sha256}`]],
    [`ghcr.io/a/b@${sha256}`, [`ghcr.io/a/b@${sha256}`]],
  ])('of another registry, spells %s', (name, candidates) => {
    expect(imageReferenceCandidates(name)).toEqual(candidates);
  });

  it('gives names without registry to the default registry, and to no other', () => {
    const options = { defaultRegistry: 'reg.example:5000' };
    expect(imageReferenceCandidates('app', options)).toEqual([
      'app',
      'reg.example:5000/app:latest',
      'reg.example:5000/app',
      'app:latest',
    ]);
    expect(imageReferenceCandidates('reg.example:5000/app:1', options)).toContain('app:1');
    expect(imageReferenceCandidates('docker.io/library/app:1', options)).not.toContain('app:1');
    expect(imageReferenceCandidates('docker.io/library/app:1', options)).not.toContain('library/app:1');
  });

  it.each(['evil.example/x/alpine', 'evil.example/alpine', 'docker.io/evil/alpine', 'evil/alpine', 'localhost/alpine'])(
    'never finds alpine for %s',
    (name) => {
      const alpine = new Set(imageReferenceCandidates('alpine'));
      expect(imageReferenceCandidates(name).filter((candidate) => alpine.has(candidate))).toEqual([]);
    },
  );

  it('never shortens a repository into the name of a registry', () => {
    expect(imageReferenceCandidates('docker.io/ghcr.io/x')).not.toContain('ghcr.io/x');
    expect(imageReferenceCandidates('docker.io/library/localhost/x')).not.toContain('localhost/x');
  });

  it.each(['', ' ', 'Alpine', 'a//b', '/a', 'a/', 'a:', 'a@b@c', '../a', 'a\nb', 'x'.repeat(100_000)])(
    'looks up %s under that name alone, as it is no reference',
    (name) => {
      expect(imageReferenceCandidates(name)).toEqual([name]);
    },
  );

  const component = fc.stringMatching(/^[a-z0-9]{1,6}([._-][a-z0-9]{1,3})?$/);
  const names = fc
    .tuple(
      fc.constantFrom('', 'docker.io/', 'index.docker.io/', 'ghcr.io/', 'localhost:5000/', 'reg.example/'),
      fc.array(fc.oneof(component, fc.constant('library'), fc.constant('alpine')), { minLength: 1, maxLength: 3 }),
      fc.constantFrom('', ':latest', ':3', `@${sha256}`, `:3@${sha256}`),
    )
    .map(([registry, path, version]) => `${registry}${path.join('/')}${version}`);

  it('is a relation of equals: each of an image’s spellings by tag finds all the others', () => {
    fc.assert(
      fc.property(names, fc.constantFrom('docker.io', 'reg.example'), (name, defaultRegistry) => {
        const candidates = imageReferenceCandidates(name, { defaultRegistry });
        expect(candidates[0]).toBe(name);
        expect(new Set(candidates).size).toBe(candidates.length);
        if (name.includes('@')) return;
        for (const candidate of candidates) {
          const back = imageReferenceCandidates(candidate, { defaultRegistry });
          expect(new Set(back)).toEqual(new Set(candidates));
        }
      }),
    );
  });
});
