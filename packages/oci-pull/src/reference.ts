import { isIPv6 } from 'node:net';
import { type Digest, isDigest } from './digest.ts';
import { OciError } from './errors.ts';

/** Where an image comes from. Made by {@link parseReference}; every part has been checked. */
export interface ImageReference {
  /** Host in lower case, with its port if one was given: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string;
  /** Path inside the registry, such as `library/alpine`. */
  readonly repository: string;
  /** Absent only if the image is named by digest alone. */
  readonly tag?: string;
  readonly digest?: Digest;
}

export interface ParseReferenceOptions {
  /** Registry of names that have none. Default: `ZLAYER_DEFAULT_REGISTRY`, or else `docker.io`. */
  defaultRegistry?: string | undefined;
}

/** Longest `registry/repository`, as the distribution specification advises and registries enforce. */
const maximumNameLength = 255;
/** Name, tag and the longest digest with their separators; nothing longer is worth looking at. */
const maximumTextLength = maximumNameLength + 1 + 128 + 1 + 135;

const hostPattern = /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*$/;
const componentPattern = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/**
 * Parses `[registry/]repository[:tag][@digest]`.
 *
 * A first component is a registry if it has a dot or a port, is `localhost`, or is an IPv6 address in brackets.
 * Otherwise the name belongs to the default registry; on Docker Hub, `alpine` means `library/alpine`.
 * Without tag and digest the tag is `latest`.
 *
 * @throws {OciError} `INVALID_REFERENCE`, saying which part is wrong.
 */
export function parseReference(text: string, options: ParseReferenceOptions = {}): ImageReference {
  if (text.length === 0) throw invalid(text, 'it is empty');
  if (text.length > maximumTextLength) throw invalid(text, `it is longer than ${maximumTextLength} characters`);

  const { rest, digest } = takeDigest(text);
  const { name, tag } = takeTag(text, rest);
  const { registry, repository } = splitName(text, name, options);
  for (const component of repository.split('/')) {
    if (!componentPattern.test(component)) {
      const hint = /[A-Z]/.test(component) ? ' (repository names are in lower case)' : '';
      throw invalid(text, `${JSON.stringify(component)} is not a repository name${hint}`);
    }
  }
  if (registry.length + 1 + repository.length > maximumNameLength) {
    throw invalid(text, `registry and repository together are longer than ${maximumNameLength} characters`);
  }
  const version = tag ?? (digest === undefined ? 'latest' : undefined);
  return {
    registry,
    repository,
    ...(version === undefined ? {} : { tag: version }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** The full spelling: registry, repository, and tag and digest as far as there are any. */
export function formatReference(reference: ImageReference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${reference.registry}/${reference.repository}${tag}${digest}`;
}

function takeDigest(text: string): { rest: string; digest?: Digest } {
  const at = text.indexOf('@');
  if (at < 0) return { rest: text };
  const digest = text.slice(at + 1);
  if (!isDigest(digest)) throw invalid(text, `${JSON.stringify(digest)} is not a sha256 or sha512 digest`);
  return { rest: text.slice(0, at), digest };
}

function takeTag(text: string, rest: string): { name: string; tag?: string } {
  const colon = rest.indexOf(':', rest.lastIndexOf('/') + 1);
  if (colon < 0) return { name: rest };
  const tag = rest.slice(colon + 1);
  if (!tagPattern.test(tag)) throw invalid(text, `${JSON.stringify(tag)} is not a tag`);
  return { name: rest.slice(0, colon), tag };
}

function splitName(text: string, name: string, options: ParseReferenceOptions): ImageReference {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  if (/[.:[\]]/.test(first) || first.toLowerCase() === 'localhost') {
    return inRegistry(normalRegistry(first, text), name.slice(slash + 1));
  }
  if (/^[0-9a-f]{64}$/.test(name)) {
    throw invalid(text, '64 hexadecimal digits name an image by its identifier, not by its repository');
  }
  const fallback = options.defaultRegistry || process.env['ZLAYER_DEFAULT_REGISTRY'] || 'docker.io';
  return inRegistry(normalRegistry(fallback), name);
}

function inRegistry(registry: string, name: string): ImageReference {
  const official = registry === 'docker.io' && !name.includes('/');
  return { registry, repository: official ? `library/${name}` : name };
}

/**
 * A registry as it stands in parsed references: in lower case, and Docker Hub under one name.
 *
 * @param text What to name in the error.
 * @throws {OciError} `INVALID_REFERENCE` if it is no host with an optional port.
 */
export function normalRegistry(registry: string, text = registry): string {
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::([0-9]{1,5}))?$/.exec(registry);
  const host = match?.[1] ?? '';
  const port = match?.[2];
  const known = host.startsWith('[') ? isIPv6(host.slice(1, -1)) && !host.includes('%') : hostPattern.test(host);
  if (!known) throw invalid(text, `${JSON.stringify(registry)} is not a host with an optional port`);
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    throw invalid(text, `${port} is not a port number`);
  }
  const normal = registry.toLowerCase();
  return normal === 'index.docker.io' || normal === 'registry-1.docker.io' ? 'docker.io' : normal;
}

function invalid(text: string, why: string): OciError {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  return new OciError('INVALID_REFERENCE', `The image reference ${JSON.stringify(shown)} is not valid: ${why}.`, {
    subject: shown,
    remedy: 'Write it as [registry/]repository[:tag][@digest], for example docker.io/library/alpine:3.20.',
  });
}
