import { describe, expect, it } from 'vitest';
import { debianSources } from './sources.ts';

const sources = (files: Record<string, string>) => debianSources(new Map(Object.entries(files)), 'bookworm');

describe('debianSources', () => {
  it('takes a configured mirror from deb822 sources', () => {
    const text = `# comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main
`;
    expect(sources({ '/etc/apt/sources.list.d/debian.sources': text })).toEqual([
      { uri: 'http://mirror.example/debian', suite: 'bookworm' },
      { uri: 'http://mirror.example/debian', suite: 'bookworm-updates' },
      { uri: 'http://mirror.example/debian-security/', suite: 'bookworm-security' },
    ]);
  });

  it('takes a configured mirror from one-line sources', () => {
    const text = `
# deb http://off.example/debian bookworm main
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64 signed-by=/a.gpg] https://mirror.example/debian bookworm main contrib # comment
`;
    expect(sources({ '/etc/apt/sources.list': text })).toEqual([
      { uri: 'https://mirror.example/debian', suite: 'bookworm' },
    ]);
  });

  it('leaves out other people’s repositories, other releases and what is switched off', () => {
    const list = `deb https://packages.example/apt bookworm main
deb http://mirror.example/debian trixie main
deb http://mirror.example/debian bookworm contrib
deb file:/srv/debian bookworm main
deb http://mirror.example/debian bookworm main`;
    const disabled = 'Types: deb\nEnabled: no\nURIs: http://other.example/debian\nSuites: bookworm\nComponents: main';
    expect(sources({ 'a.list': list, 'b.sources': disabled })).toEqual([
      { uri: 'http://mirror.example/debian', suite: 'bookworm' },
    ]);
  });

  it('falls back to the public mirror', () => {
    expect(sources({}).map(({ uri, suite }) => `${uri} ${suite}`)).toEqual([
      'http://deb.debian.org/debian bookworm',
      'http://deb.debian.org/debian bookworm-updates',
      'http://deb.debian.org/debian-security bookworm-security',
    ]);
  });
});
