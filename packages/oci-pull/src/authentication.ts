import { OciError } from './errors.ts';
import type { HttpClient } from './http-client.ts';
import { shown } from './http-client.ts';
import { JsonDocument } from './json-document.ts';

/** An account of a registry. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** One challenge of a `WWW-Authenticate` header; parameter names are in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const maximumTokenSize = 1024 * 1024;

/** Answers the challenges of one registry, for one repository. */
export class Authenticator {
  readonly #http: HttpClient;
  readonly #registry: URL;
  readonly #scope: string;
  readonly #credentials: Credentials | undefined;
  readonly #mayUse: (url: URL) => boolean;
  #header: Promise<string> | undefined;

  /**
   * @param mayUse Tells whether a URL is allowed to be spoken to at all (plain HTTP mostly is not).
   */
  constructor(
    http: HttpClient,
    registry: URL,
    repository: string,
    credentials: Credentials | undefined,
    mayUse: (url: URL) => boolean,
  ) {
    this.#http = http;
    this.#registry = registry;
    this.#scope = `repository:${repository}:pull`;
    this.#credentials = credentials;
    this.#mayUse = mayUse;
  }

  /** The `Authorization` header that worked last; none before the first challenge. */
  async header(): Promise<string | undefined> {
    return this.#header;
  }

  /**
   * Answers a 401. Requests that fail at the same time share one new token.
   *
   * @param refused The header that the refused request carried.
   * @throws {OciError} `UNAUTHORIZED` if there is no answer to give.
   */
  async answer(challenges: Challenge[], refused: string | undefined, signal: AbortSignal | undefined): Promise<string> {
    const current = await this.#header?.catch(() => undefined);
    if (current !== undefined && current !== refused) return current;
    const header = this.#respond(challenges, refused, signal);
    this.#header = header;
    header.catch(() => {
      if (this.#header === header) this.#header = undefined;
    });
    return header;
  }

  async #respond(challenges: Challenge[], refused: string | undefined, signal?: AbortSignal): Promise<string> {
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) return `Bearer ${await this.#requestToken(bearer, signal)}`;
    const basic = challenges.some(({ scheme }) => scheme === 'basic') ? this.#basicHeader() : undefined;
    if (basic === undefined || basic === refused) throw this.unauthorized();
    return basic;
  }

  async #requestToken({ parameters }: Challenge, signal: AbortSignal | undefined): Promise<string> {
    const realm = this.#parseRealm(parameters.get('realm') ?? '');
    const service = parameters.get('service');
    if (service !== undefined) realm.searchParams.set('service', service);
    realm.searchParams.set('scope', parameters.get('scope') ?? this.#scope);
    const basic = this.#basicHeader();
    const headers = { accept: 'application/json', ...(basic === undefined ? {} : { authorization: basic }) };
    const { status, bytes } = await this.#http.sendForDocument(realm, { headers, signal }, maximumTokenSize);
    if (status === 401 || status === 403 || status === 400) throw this.unauthorized(`${shown(realm)} said ${status}`);
    if (status !== 200) {
      throw new OciError('SERVER_FAILED', `The token server ${shown(realm)} answered ${status}.`, {
        subject: shown(realm),
      });
    }
    const answer = JsonDocument.parse(bytes, `the answer of the token server ${shown(realm)}`, 'SERVER_FAILED');
    const token = answer.optionalString('token') || answer.string('access_token');
    if (!/^[\x21-\x7e]+$/.test(token)) throw answer.fault('token', 'a token');
    return token;
  }

  /** A registry may name any realm, so it must be one that credentials can be sent to safely. */
  #parseRealm(text: string): URL {
    const realm = URL.canParse(text) ? new URL(text) : undefined;
    if (realm === undefined || realm.username !== '' || !this.#mayUse(realm)) {
      throw new OciError('UNSAFE_REDIRECT', `${this.#registry.host} sends for tokens to ${JSON.stringify(text)}.`, {
        subject: this.#registry.host,
        remedy: 'Only https is used; if you trust a server with plain HTTP, name it in insecureRegistries.',
      });
    }
    return realm;
  }

  #basicHeader(): string | undefined {
    if (this.#credentials === undefined) return undefined;
    const { username, password } = this.#credentials;
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }

  unauthorized(detail?: string): OciError {
    const given = this.#credentials === undefined ? 'without credentials' : 'with these credentials';
    const said = detail === undefined ? '' : ` (${detail})`;
    return new OciError('UNAUTHORIZED', `${this.#registry.host} does not give ${this.#scope} ${given}${said}.`, {
      subject: this.#registry.host,
      remedy: 'Check the name of the image, which may not exist, and the credentials.',
    });
  }
}

/** Parses `WWW-Authenticate`, which may come several times and may hold several challenges. */
export function parseChallenges(header: string | string[] | undefined): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  const token = /\s*,?\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/y;
  for (const text of header === undefined ? [] : [header].flat()) {
    token.lastIndex = 0;
    for (let match = token.exec(text); match !== null; match = token.exec(text)) {
      const name = (match[1] ?? '').toLowerCase();
      const value = match[2]?.replace(/\\(.)/g, '$1') ?? match[3];
      if (value === undefined) challenges.push({ scheme: name, parameters: new Map() });
      else challenges.at(-1)?.parameters.set(name, value);
    }
  }
  return challenges;
}
