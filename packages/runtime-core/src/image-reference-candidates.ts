/** Options of {@link imageReferenceCandidates}. */
export interface ImageReferenceCandidatesOptions {
  /** The registry of names that have none. Default: `docker.io`. */
  defaultRegistry?: string | undefined;
}

/** The parts of a reference, as far as spellings differ in them. */
interface Parts {
  registry: string;
  repository: string;
  tag: string | undefined;
  digest: string | undefined;
}

const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_ALIASES = ['index.docker.io', 'registry-1.docker.io'];
/** The longest name, tag and digest that registries know, with their separators. */
const MAX_LENGTH = 520;
const REGISTRY = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[a-z0-9]+:[0-9a-f]{32,128}$/;

/**
 * The spellings under which an image may be stored that is asked for by this name. All of them mean the same repository
 * of the same registry, with the same tag or digest; none is a shorter name of something else. In this order, each once:
 *
 * 1. the name as it is given;
 * 2. the full one: `docker.io/library/alpine:3`;
 * 3. Docker Hub's without its `library`: `docker.io/alpine:3`;
 * 4. the one without registry, when that is the default: `library/alpine:3`, then `alpine:3`;
 * 5. those with Docker Hub's other names: `index.docker.io/…`, `registry-1.docker.io/…`.
 *
 * Each of them is followed by what leaves out `:latest`, or a tag beside a digest. For a name that is no reference, the
 * name itself is the only candidate.
 */
export function imageReferenceCandidates(name: string, options: ImageReferenceCandidatesOptions = {}): string[] {
  const defaultRegistry = canonicalRegistry(options.defaultRegistry ?? DOCKER_HUB);
  const wanted = parse(name, defaultRegistry);
  if (!wanted) return [name];
  const spellings = namesOf(wanted, defaultRegistry).flatMap((spelling) =>
    versionsOf(wanted).map((version) => spelling + version),
  );
  // A short spelling can mean something else than it was made of: `docker.io/ghcr.io/x` is not `ghcr.io/x`.
  const equivalent = spellings.filter((spelling) => sameImage(parse(spelling, defaultRegistry), wanted));
  return [...new Set([name, ...equivalent])];
}

function namesOf({ registry, repository }: Parts, defaultRegistry: string): string[] {
  const repositories = [repository];
  if (registry === DOCKER_HUB && repository.startsWith('library/')) repositories.push(repository.slice(8));
  const inRegistry = (host: string) => repositories.map((path) => `${host}/${path}`);
  return [
    ...inRegistry(registry),
    ...(registry === defaultRegistry ? repositories : []),
    ...(registry === DOCKER_HUB ? DOCKER_HUB_ALIASES.flatMap(inRegistry) : []),
  ];
}

function versionsOf({ tag, digest }: Parts): string[] {
  if (digest !== undefined) return tag === undefined ? [`@${digest}`] : [`:${tag}@${digest}`, `@${digest}`];
  return tag === 'latest' ? [':latest', ''] : [`:${tag}`];
}

function sameImage(found: Parts | undefined, wanted: Parts): boolean {
  if (found?.registry !== wanted.registry || found.repository !== wanted.repository) return false;
  return found.digest === wanted.digest && (wanted.digest !== undefined || found.tag === wanted.tag);
}

function parse(name: string, defaultRegistry: string): Parts | undefined {
  if (name.length > MAX_LENGTH) return undefined;
  const [tagged = '', digest, more] = name.split('@');
  const colon = tagged.indexOf(':', tagged.lastIndexOf('/') + 1);
  const path = colon < 0 ? tagged : tagged.slice(0, colon);
  const tag = colon < 0 ? undefined : tagged.slice(colon + 1);
  const slash = path.indexOf('/');
  const first = slash < 0 ? '' : path.slice(0, slash);
  const named = /[.:[\]]/.test(first) || first.toLowerCase() === 'localhost';
  const registry = named ? canonicalRegistry(first) : defaultRegistry;
  const rest = named ? path.slice(slash + 1) : path;
  const wellFormed =
    more === undefined &&
    REGISTRY.test(registry) &&
    rest.split('/').every((component) => COMPONENT.test(component)) &&
    (tag === undefined || TAG.test(tag)) &&
    (digest === undefined || DIGEST.test(digest));
  if (!wellFormed) return undefined;
  return {
    registry,
    repository: registry === DOCKER_HUB && !rest.includes('/') ? `library/${rest}` : rest,
    tag: tag ?? (digest === undefined ? 'latest' : undefined),
    digest,
  };
}

function canonicalRegistry(host: string): string {
  const lower = host.toLowerCase();
  return DOCKER_HUB_ALIASES.includes(lower) ? DOCKER_HUB : lower;
}
