/** One repository that apt may take packages from. */
export interface DebianSource {
  readonly uri: string;
  readonly suite: string;
}

const DEFAULT_URIS = { main: 'http://deb.debian.org/debian', security: 'http://deb.debian.org/debian-security' };

/**
 * Picks Debian's own repositories out of a system's apt sources, so that a mirror which somebody configured is used.
 * Other people's repositories are left out: nothing of theirs is wanted.
 *
 * @param files contents of `sources.list` and of the files in `sources.list.d`, by file name; `.sources` files are read
 * as deb822, all others as one line per source.
 * @param codename the release, for example `bookworm`.
 * @returns the release's sources, or the public mirror's when none is configured.
 */
export function debianSources(files: ReadonlyMap<string, string>, codename: string): DebianSource[] {
  const suites = [codename, `${codename}-updates`, `${codename}-security`];
  const found = new Map<string, DebianSource>();
  for (const [name, text] of files) {
    for (const entry of name.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text)) {
      if (!entry.components.includes('main')) continue;
      for (const uri of entry.uris.filter(isDebianUri)) {
        for (const suite of entry.suites.filter((suite) => suites.includes(suite))) {
          found.set(`${uri} ${suite}`, { uri, suite });
        }
      }
    }
  }
  if (found.size > 0) return [...found.values()];
  return [
    { uri: DEFAULT_URIS.main, suite: codename },
    { uri: DEFAULT_URIS.main, suite: `${codename}-updates` },
    { uri: DEFAULT_URIS.security, suite: `${codename}-security` },
  ];
}

interface SourceEntry {
  uris: string[];
  suites: string[];
  components: string[];
}

function isDebianUri(uri: string): boolean {
  return /^https?:\/\/\S+\/debian(-security)?\/?$/.test(uri);
}

function parseDeb822(text: string): SourceEntry[] {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const unfolded = stanza.replaceAll(/^#.*\n?/gm, '').replaceAll(/\n[ \t]+/g, ' ');
    const words = (field: string) => new RegExp(`^${field}:(.*)$`, 'im').exec(unfolded)?.[1]?.trim().split(/\s+/) ?? [];
    if (!words('Types').includes('deb') || words('Enabled')[0]?.toLowerCase() === 'no') return [];
    return [{ uris: words('URIs'), suites: words('Suites'), components: words('Components') }];
  });
}

function parseOneLine(text: string): SourceEntry[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) return [];
    return [{ uris: [match[1]], suites: [match[2]], components: (match[3] ?? '').trim().split(/\s+/) }];
  });
}
