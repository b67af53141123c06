import { Authenticator } from './authentication.ts';
import { parseChallenges } from './challenge.ts';
import { OciError } from './errors.ts';
import { discard, type HttpRequest, type HttpResponse, isWebPage, shown } from './http-client.ts';
import { maximumManifestSize } from './manifest.ts';
import type { RegistryAccess, RepositoryLocation } from './registry-access.ts';

const maximumRedirects = 5;
/** Characters of a registry's own words that are passed on. */
const maximumDetail = 300;

export type DocumentResponse = HttpResponse & { readonly bytes: Buffer };

/** One repository of one registry: sends requests as whoever the user is there, following redirects as nobody. */
export class RepositoryClient {
  readonly location: RepositoryLocation;
  readonly base: URL;
  readonly #access: RegistryAccess;
  readonly #authenticator: Authenticator;
  readonly #attempts: number | undefined;

  /**
   * @param scopes What tokens must open, such as `repository:library/alpine:pull`.
   * @param attempts How often a request is sent at most. Default: that of the access.
   */
  constructor(access: RegistryAccess, location: RepositoryLocation, scopes: readonly string[], attempts?: number) {
    this.location = location;
    this.base = access.baseOf(location);
    this.#access = access;
    this.#attempts = attempts;
    this.#authenticator = new Authenticator({
      http: access.http,
      registry: location.registry,
      base: this.base,
      scopes,
      credentials: (signal) => access.credentialsOf(location.registry, signal),
      realms: access.settings(location.registry).realms ?? [],
      mayUse: (url) => access.mayUse(url, this.base),
    });
  }

  /** @param path Such as `blobs/sha256:…`, or a whole URL that {@link resolve} gave. */
  async send(path: string | URL, request: HttpRequest): Promise<HttpResponse> {
    let target = new URL(path, this.base);
    let authorization = await this.#authenticator.header();
    let answered = false;
    for (let redirects = 0; ; ) {
      const own = target.origin === this.base.origin;
      const headers = own && authorization !== undefined ? { ...request.headers, authorization } : request.headers;
      const response = await this.#access.http.send(target, { attempts: this.#attempts, ...request, headers });
      if (response.status === 401 && own && !answered) {
        await discard(response.body);
        const challenges = parseChallenges(response.headers['www-authenticate']);
        authorization = await this.#authenticator.answer(challenges, authorization, request.signal);
        answered = true;
      } else if (isRedirect(response.status, request.method)) {
        await discard(response.body);
        if (++redirects > maximumRedirects) throw this.#unsafe(`redirects more than ${maximumRedirects} times`);
        target = this.resolve(response.headers['location'], target);
      } else {
        return response;
      }
    }
  }

  /** Requests something that fits in memory, of at most 4 MiB. */
  async sendForDocument(path: string | URL, request: HttpRequest): Promise<DocumentResponse> {
    const send = (to: URL, options: HttpRequest) => this.send(to, options);
    return await this.#access.http.sendForDocument(new URL(path, this.base), request, maximumManifestSize, send);
  }

  /** Sends a request whose body may take any time, as long as it gets on; the answer fits in memory. */
  async upload(path: string | URL, request: HttpRequest): Promise<DocumentResponse> {
    const { http } = this.#access;
    const response = await this.send(path, { ...request, responseTimeout: http.transport.uploadTimeout });
    return { ...response, bytes: await http.readBounded(response, maximumManifestSize) };
  }

  /** Where a `Location` header leads, if that is a place that may be spoken to. */
  resolve(location: string | string[] | undefined, from: URL): URL {
    const text = String(location ?? '');
    const target = text !== '' && URL.canParse(text, from.href) ? new URL(text, from) : undefined;
    if (target === undefined || target.username !== '' || !this.#access.mayUse(target, this.base)) {
      throw this.#unsafe(`sends to ${JSON.stringify(text)}`);
    }
    return target;
  }

  /**
   * The error for an answer that is not the one hoped for.
   *
   * @param missing What a 404 means.
   */
  async refused(response: DocumentResponse, missing: () => OciError): Promise<OciError> {
    const { status, url } = response;
    if (status === 404) return missing();
    const said = detailOf(response);
    if (status === 401 || status === 403) return await this.#authenticator.unauthorized(`it said ${status}${said}`);
    return new OciError('SERVER_FAILED', `${shown(url)} answered ${status}${said}.`, { subject: shown(url) });
  }

  #unsafe(what: string): OciError {
    const { registry, repository } = this.location;
    return new OciError('UNSAFE_REDIRECT', `The registry ${this.base.host} ${what}.`, {
      subject: `${registry}/${repository}`,
      remedy: 'Only https is followed; if you trust a server with plain HTTP, name it in insecureRegistries.',
    });
  }
}

/** What went wrong, in the registry's own words: the codes and messages of the distribution specification. */
export function detailOf(response: DocumentResponse): string {
  if (isWebPage(response)) return ' with a web page, so this is hardly a registry';
  try {
    const { errors } = JSON.parse(response.bytes.toString('utf8')) as { errors?: unknown };
    const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
    if (typeof first !== 'object' || first === null) return '';
    const { code, message } = first as { code?: unknown; message?: unknown };
    const text = [code, message].filter((part) => typeof part === 'string' && part !== '').join(': ');
    return text === '' ? '' : `: ${text.replace(/\p{C}+/gu, ' ').slice(0, maximumDetail)}`;
  } catch {
    return '';
  }
}

/** A request with a body is only repeated elsewhere if that is what the server says, not turned into a GET. */
function isRedirect(status: number, method: HttpRequest['method'] = 'GET'): boolean {
  if (status === 307 || status === 308) return true;
  return (method === 'GET' || method === 'HEAD') && [301, 302, 303].includes(status);
}
