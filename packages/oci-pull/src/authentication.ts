import type { Challenge } from './challenge.ts';
import { basicHeader, type Credentials } from './credentials.ts';
import { OciError } from './errors.ts';
import { type HttpClient, type HttpRequest, shown } from './http-client.ts';
import { JsonDocument } from './json-document.ts';
import { mayReceiveCredentials } from './token-realm.ts';
import { mergeScopes } from './token-scope.ts';

export interface AuthenticatorOptions {
  http: HttpClient;
  /** As in references: `docker.io`. */
  registry: string;
  /** A URL of the registry. */
  base: URL;
  /** What a token must open, such as `repository:library/alpine:pull`. */
  scopes: readonly string[];
  /** Asked once, when the registry wants to know who is there. */
  credentials(signal: AbortSignal | undefined): Promise<Credentials | undefined>;
  /** Token servers on other hosts that the user trusts with the credentials. */
  realms: readonly string[];
  /** Tells whether a URL is allowed to be spoken to at all (plain HTTP mostly is not). */
  mayUse(url: URL): boolean;
}

interface Authorization {
  readonly header: string;
  /** Milliseconds, by `performance.now()`, when it is better not used any more. */
  readonly expires: number;
}

const maximumTokenSize = 1024 * 1024;
/** Seconds that a token lives if its server does not say; so says the distribution specification. */
const usualLifetime = 60;
/** Seconds before its end in which a token is not used: it could end on the way. */
const margin = 5;

/** Answers the challenges of one registry, for a set of scopes. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  #credentials: Promise<Credentials | undefined> | undefined;
  #authorization: Promise<Authorization> | undefined;
  /** The token server that was asked without the credentials that there are. */
  #withheldFrom: URL | undefined;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** The `Authorization` header that worked last, as long as it is valid; none before the first challenge. */
  async header(): Promise<string | undefined> {
    const current = await this.#authorization;
    return current === undefined || current.expires < performance.now() ? undefined : current.header;
  }

  /**
   * Answers a 401. Requests that fail at the same time share one new token.
   *
   * @param refused The header that the refused request carried.
   * @throws {OciError} `UNAUTHORIZED` if there is no answer to give.
   */
  async answer(challenges: Challenge[], refused: string | undefined, signal: AbortSignal | undefined): Promise<string> {
    for (let pending = this.#authorization; ; pending = this.#authorization) {
      const current = await pending?.catch(() => undefined);
      if (current !== undefined && current.header !== refused && current.expires >= performance.now()) {
        return current.header;
      }
      // Another request may have begun to ask while this one waited.
      if (this.#authorization === pending) break;
    }
    const authorization = this.#respond(challenges, refused, signal);
    this.#authorization = authorization;
    authorization.catch(() => {
      if (this.#authorization === authorization) this.#authorization = undefined;
    });
    return (await authorization).header;
  }

  /** The error for requests that are refused whatever is tried. */
  async unauthorized(detail?: string): Promise<OciError> {
    const { registry, scopes } = this.#options;
    const credentials = await this.#credentials?.catch(() => undefined);
    const withheld = this.#withheldFrom;
    const given =
      credentials === undefined || withheld !== undefined ? 'without credentials' : 'with these credentials';
    const said = detail === undefined ? '' : ` (${detail})`;
    const text = `${registry} does not give ${scopes.join(' ')} ${given}${said}.`;
    if (withheld === undefined) {
      return new OciError('UNAUTHORIZED', text, {
        subject: registry,
        remedy: 'Check the name of the image, which may not exist, and the credentials.',
      });
    }
    const why = `The credentials for ${registry} were not sent to its token server ${withheld.host}, which is another host.`;
    const key = JSON.stringify(registry);
    return new OciError('UNAUTHORIZED', `${text} ${why}`, {
      subject: registry,
      remedy: `If you trust that server with them, list it: registries: { ${key}: { realms: ['${withheld.host}'] } }.`,
    });
  }

  async #respond(challenges: Challenge[], refused: string | undefined, signal?: AbortSignal): Promise<Authorization> {
    const credentials = await this.#knownCredentials(signal);
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) return this.#bearer(bearer, credentials, refused, signal);
    if (credentials === undefined || !('username' in credentials)) throw await this.unauthorized();
    const header = basicHeader(credentials);
    const expected = challenges.some(({ scheme }) => scheme === 'basic') && header !== refused;
    if (!expected) throw await this.unauthorized();
    return { header, expires: Number.POSITIVE_INFINITY };
  }

  async #bearer(
    { parameters }: Challenge,
    credentials: Credentials | undefined,
    refused: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Authorization> {
    if (credentials !== undefined && 'registryToken' in credentials) {
      const header = `Bearer ${credentials.registryToken}`;
      if (header === refused) throw await this.unauthorized();
      return { header, expires: Number.POSITIVE_INFINITY };
    }
    const { registry, base, realms } = this.#options;
    const realm = this.#parseRealm(parameters.get('realm') ?? '');
    // What the user configured for the realm's own host is not used either: a registry could have itself given a token
    // that opens somebody else's.
    const allowed = mayReceiveCredentials(realm, registry, base, realms);
    this.#withheldFrom = credentials !== undefined && !allowed ? realm : undefined;
    const scopes = mergeScopes([
      ...this.#options.scopes,
      ...(parameters.get('scope') ?? '').split(' ').filter((scope) => scope !== ''),
    ]);
    const service = parameters.get('service');
    const request = tokenRequest(realm, service, scopes, allowed ? credentials : undefined);
    return await this.#requestToken(request.url, { ...request, signal });
  }

  async #requestToken(url: URL, request: HttpRequest): Promise<Authorization> {
    const { status, bytes } = await this.#options.http.sendForDocument(url, request, maximumTokenSize);
    if (status === 401 || status === 403 || status === 400) {
      throw await this.unauthorized(`${shown(url)} said ${status}`);
    }
    if (status !== 200) {
      throw new OciError('SERVER_FAILED', `The token server ${shown(url)} answered ${status}.`, {
        subject: shown(url),
      });
    }
    const answer = JsonDocument.parse(bytes, `the answer of the token server ${shown(url)}`, 'SERVER_FAILED');
    const token = answer.optionalString('token') || answer.string('access_token');
    if (!/^[\x21-\x7e]+$/.test(token)) throw answer.fault('token', 'a token');
    const lifetime = answer.has('expires_in') ? answer.count('expires_in') : usualLifetime;
    return { header: `Bearer ${token}`, expires: performance.now() + Math.max(lifetime - margin, margin) * 1000 };
  }

  /** A registry may name any realm, so it must be one that can be spoken to safely. */
  #parseRealm(text: string): URL {
    const { registry, mayUse } = this.#options;
    const realm = URL.canParse(text) ? new URL(text) : undefined;
    if (realm === undefined || realm.username !== '' || realm.password !== '' || !mayUse(realm)) {
      throw new OciError('UNSAFE_REDIRECT', `${registry} sends for tokens to ${JSON.stringify(text)}.`, {
        subject: registry,
        remedy: 'Only https is used; if you trust a server with plain HTTP, name it in insecureRegistries.',
      });
    }
    return realm;
  }

  async #knownCredentials(signal: AbortSignal | undefined): Promise<Credentials | undefined> {
    this.#credentials ??= this.#options.credentials(signal);
    return this.#credentials;
  }
}

/** A refresh token is sent in the body, as OAuth 2 has it; a password in a header, as Docker's token servers do. */
function tokenRequest(
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  credentials: Credentials | undefined,
): HttpRequest & { url: URL } {
  const headers = { accept: 'application/json' };
  if (credentials !== undefined && 'identityToken' in credentials) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: credentials.identityToken,
      client_id: 'zlayer',
      scope: scopes.join(' '),
      ...(service === undefined ? {} : { service }),
    });
    return {
      url: realm,
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
      body: () => Buffer.from(form.toString()),
    };
  }
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const account = credentials !== undefined && 'username' in credentials ? credentials : undefined;
  return { url, headers: account === undefined ? headers : { ...headers, authorization: basicHeader(account) } };
}
