import type { Credentials } from './credentials.ts';
import type { TransportOptions } from './http-client.ts';

/** How one registry is reached. */
export interface RegistrySettings {
  /** Default: `http` for loopback hosts and for `insecureRegistries`, `https` for all others. */
  scheme?: 'https' | 'http' | undefined;
  /** Certificates in PEM form that are trusted beside those of the system. */
  ca?: string | undefined;
  /** false takes any certificate: whoever is on the way can read credentials and change tags. Default: true. */
  verifyCertificate?: boolean | undefined;
  /**
   * Places that have the same images, tried in order before the registry itself: `host`, `host:port`, or
   * `host/prefix` for one that keeps them under a prefix. They get credentials of their own, never the registry's.
   */
  mirrors?: readonly string[] | undefined;
  /** Default: those of Docker's configuration. */
  credentials?: Credentials | undefined;
  /**
   * Hosts (with their port, if it is not the usual one) of token servers that may be sent this registry's credentials.
   * Always allowed are the registry itself, its own host and its subdomains over https, and for Docker Hub and
   * GitLab the servers that belong to them.
   */
  realms?: readonly string[] | undefined;
}

/** What pull and push need to know about registries. */
export interface RegistryOptions {
  /** For the registry that the reference names. Default: those of `registries`, or else of Docker's configuration. */
  credentials?: Credentials | undefined;
  /**
   * Directory of Docker's `config.json`; false reads none. It is read again at each call, when a registry asks who is
   * there. Default: `DOCKER_CONFIG`, or else `.docker` in the home directory.
   */
  dockerConfig?: string | false | undefined;
  /** Registries (`host` or `host:port`) that are spoken to over plain HTTP. Loopback hosts always are. */
  insecureRegistries?: readonly string[] | undefined;
  /** By registry as it stands in references: `docker.io`, `localhost:5000`. */
  registries?: Readonly<Record<string, RegistrySettings>> | undefined;
  /** Time-outs and retries. */
  transport?: TransportOptions | undefined;
}
