import type { Credentials } from './credentials.ts';
import { dockerCredentials } from './docker-config.ts';
import { HttpClient } from './http-client.ts';
import { isLoopback } from './loopback.ts';
import { normalRegistry } from './reference.ts';
import type { RegistryOptions, RegistrySettings } from './registry-options.ts';

/** A repository in a registry or in a mirror of one. */
export interface RepositoryLocation {
  readonly registry: string;
  readonly repository: string;
}

/** What one pull or push knows of registries: how to reach them, whom to trust, and who is asking. */
export class RegistryAccess implements AsyncDisposable {
  readonly http: HttpClient;
  readonly #options: RegistryOptions;
  readonly #origin: string;
  readonly #settings: ReadonlyMap<string, RegistrySettings>;
  readonly #plain: ReadonlySet<string>;

  /** @param origin The registry that the call is about: the credentials of the call are for that one. */
  constructor(origin: string, options: RegistryOptions) {
    this.#options = options;
    this.#origin = origin;
    const settings = Object.entries(options.registries ?? {});
    this.#settings = new Map(settings.map(([name, value]) => [normalRegistry(name), value]));
    this.#plain = new Set((options.insecureRegistries ?? []).map((name) => normalRegistry(name)));
    this.http = new HttpClient(options.transport, (url) => this.settings(registryOf(url)));
  }

  settings(registry: string): RegistrySettings {
    return this.#settings.get(registry) ?? {};
  }

  /** Where a repository's part of the API begins. */
  baseOf({ registry, repository }: RepositoryLocation): URL {
    const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
    return new URL(`${this.#schemeOf(registry, host)}://${host}/v2/${repository}/`);
  }

  /** Other places to look for a repository, in order. */
  mirrorsOf({ registry, repository }: RepositoryLocation): RepositoryLocation[] {
    return (this.settings(registry).mirrors ?? []).map((mirror) => {
      const [host = '', ...prefix] = mirror.replace(/\/+$/, '').split('/');
      return { registry: normalRegistry(host), repository: [...prefix, repository].join('/') };
    });
  }

  /** Credentials of the call are for its own registry alone; mirrors have their own, or none. */
  async credentialsOf(registry: string, signal: AbortSignal | undefined): Promise<Credentials | undefined> {
    const { credentials, dockerConfig } = this.#options;
    if (credentials !== undefined && registry === this.#origin) return credentials;
    const configured = this.settings(registry).credentials;
    if (configured !== undefined || dockerConfig === false) return configured;
    return await dockerCredentials(registry, { directory: dockerConfig, signal });
  }

  /**
   * Whether a registry may send us to a URL. Plain HTTP is for hosts that the user named, and among loopback hosts:
   * a registry elsewhere has no business with what listens on this machine.
   */
  mayUse(url: URL, base: URL): boolean {
    if (url.protocol === 'https:') return true;
    if (url.protocol !== 'http:') return false;
    const registry = registryOf(url);
    const named = this.#plain.has(registry) || this.settings(registry).scheme === 'http';
    return named || (isLoopback(url) && isLoopback(base));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.http.close();
  }

  #schemeOf(registry: string, host: string): 'http' | 'https' {
    const { scheme } = this.settings(registry);
    if (scheme !== undefined) return scheme;
    return this.#plain.has(registry) || isLoopback(new URL(`http://${host}`)) ? 'http' : 'https';
  }
}

function registryOf(url: URL): string {
  return url.host === 'registry-1.docker.io' ? 'docker.io' : url.host;
}
