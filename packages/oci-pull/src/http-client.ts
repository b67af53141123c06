import { Readable } from 'node:stream';
import { getCACertificates } from 'node:tls';
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici';
import { messageOf, OciError, systemErrorCode } from './errors.ts';
import { pause } from './pause.ts';
import { proxyFor } from './proxies.ts';
import { parseRetryAfter, retryDelay } from './retry.ts';
import { type MinimumThroughput, notSlowerThan } from './throughput.ts';

export interface HttpResponse {
  readonly url: URL;
  readonly status: number;
  /** Header names are in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: ResponseBody;
}

type ResponseBody = Awaited<ReturnType<typeof request>>['body'];

export interface HttpRequest {
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | undefined;
  headers: Record<string, string>;
  /** Makes the body, anew for each attempt; a stream needs a `content-length` among the headers. */
  body?: (() => Uint8Array | AsyncIterable<Uint8Array>) | undefined;
  /** Default: those of the client. */
  attempts?: number | undefined;
  /** Milliseconds without progress until the answer begins. Default: that of the client. */
  responseTimeout?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Times are in milliseconds. */
export interface TransportOptions {
  /** Until connected. Default: 15 seconds. */
  connectTimeout?: number | undefined;
  /** Until the answer begins. Default: 60 seconds. */
  responseTimeout?: number | undefined;
  /**
   * Until a registry has taken another piece of an upload, or answers to it: it may still be busy with what the system
   * took from us, and with verifying it. Default: 5 minutes.
   */
  uploadTimeout?: number | undefined;
  /** For a token, a manifest or a config as a whole. Default: 60 seconds. */
  documentTimeout?: number | undefined;
  /** The least that a download has to bring, or it is given up. Default: 1024 bytes a second over 30 seconds. */
  minimumThroughput?: MinimumThroughput | undefined;
  /** How often a request is sent, at most, when the server is overloaded or the connection breaks. Default: 4. */
  attempts?: number | undefined;
  /** The longest pause that a server may ask for with `Retry-After`. Default: 20 seconds. */
  maximumRetryDelay?: number | undefined;
}

/** The options with their defaults filled in. */
type Transport = { readonly [Key in keyof TransportOptions]-?: NonNullable<TransportOptions[Key]> };

/** Trust beside or instead of the system's, for one host. */
export interface TlsSettings {
  readonly ca?: string | undefined;
  readonly verifyCertificate?: boolean | undefined;
}

/** HTTP/1.1 over keep-alive pools, one hop at a time: it follows no redirect and knows no credentials. */
export class HttpClient {
  readonly transport: Transport;
  readonly #tlsOf: (url: URL) => TlsSettings;
  readonly #dispatchers = new Map<string, Dispatcher>();

  /** @param tlsOf Says how far a host's certificate is trusted. Default: as the system does. */
  constructor(options: TransportOptions = {}, tlsOf: (url: URL) => TlsSettings = () => ({})) {
    this.transport = {
      connectTimeout: options.connectTimeout ?? 15_000,
      responseTimeout: options.responseTimeout ?? 60_000,
      uploadTimeout: options.uploadTimeout ?? 300_000,
      documentTimeout: options.documentTimeout ?? 60_000,
      minimumThroughput: options.minimumThroughput ?? { bytesPerSecond: 1024, window: 30_000 },
      attempts: options.attempts ?? 4,
      maximumRetryDelay: options.maximumRetryDelay ?? 20_000,
    };
    this.#tlsOf = tlsOf;
  }

  /**
   * Sends a request, a few times if the server is overloaded or the connection breaks. The caller must consume the body.
   *
   * @throws {OciError} `CONNECTION_FAILED`, `TIMED_OUT` or `SERVER_FAILED`; the signal's reason if it was aborted.
   */
  async send(url: URL, options: HttpRequest): Promise<HttpResponse> {
    const { signal } = options;
    const attempts = options.attempts ?? this.transport.attempts;
    for (let attempt = 1; ; attempt++) {
      let delay = retryDelay(attempt);
      try {
        const response = await this.#sendOnce(url, options);
        const { status } = response;
        if (status !== 429 && status < 500) return response;
        await discard(response.body);
        const wanted = parseRetryAfter(response.headers['retry-after']);
        if (attempt >= attempts || wanted > this.transport.maximumRetryDelay) {
          throw new ServerBusyError(url, status, attempt, wanted);
        }
        delay = Math.max(delay, wanted);
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof OciError) throw error;
        if (attempt >= attempts || !isPassing(error)) throw networkError(error, url);
      }
      await pause(Math.min(delay, this.transport.maximumRetryDelay), signal);
    }
  }

  /** Requests a document that fits in memory. */
  async sendForDocument(
    url: URL,
    options: HttpRequest,
    maximumSize: number,
    send: (url: URL, options: HttpRequest) => Promise<HttpResponse> = (target, rest) => this.send(target, rest),
  ): Promise<HttpResponse & { bytes: Buffer }> {
    const { documentTimeout } = this.transport;
    const deadline = AbortSignal.timeout(documentTimeout);
    const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]);
    try {
      const response = await send(url, { ...options, signal });
      return { ...response, bytes: await this.readBounded(response, maximumSize) };
    } catch (error) {
      options.signal?.throwIfAborted();
      if (deadline.aborted) throw timedOut(url, `the answer took longer than ${documentTimeout / 1000} s`, error);
      throw error;
    }
  }

  /** The bytes of an answer, broken off with `TIMED_OUT` when too few of them come. Errors are not translated. */
  bytesOf({ url, body }: HttpResponse): AsyncGenerator<Uint8Array> {
    const { minimumThroughput } = this.transport;
    const { bytesPerSecond, window } = minimumThroughput;
    const what = `it sends fewer than ${bytesPerSecond} bytes a second, over ${window / 1000} s`;
    return notSlowerThan(body, minimumThroughput, () => timedOut(url, what, undefined));
  }

  /** Closes every connection, also those in use. */
  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
  }

  async #sendOnce(url: URL, options: HttpRequest): Promise<HttpResponse> {
    const { method = 'GET', headers, body, signal } = options;
    const responseTimeout = options.responseTimeout ?? this.transport.responseTimeout;
    const content = body?.();
    const response = await request(url, {
      dispatcher: this.#dispatcherFor(url),
      method,
      headers: method === 'GET' || method === 'HEAD' ? { 'accept-encoding': 'identity', ...headers } : headers,
      body: content === undefined ? null : content instanceof Uint8Array ? content : Readable.from(content),
      signal: signal ?? null,
      headersTimeout: responseTimeout,
      bodyTimeout: responseTimeout,
    });
    // Whoever reads the body gets its error; a body that is given up must not bring the process down with one.
    response.body.on('error', () => undefined);
    return { url, status: response.statusCode, headers: response.headers, body: response.body };
  }

  /** One pool for each way to go: direct or through a proxy, with the trust that the host was given. */
  #dispatcherFor(url: URL): Dispatcher {
    const proxy = proxyFor(url);
    const { ca, verifyCertificate = true } = url.protocol === 'https:' ? this.#tlsOf(url) : {};
    const key = JSON.stringify([proxy?.href, ca, verifyCertificate]);
    const known = this.#dispatchers.get(key);
    if (known !== undefined) return known;
    const { connectTimeout: timeout } = this.transport;
    const trust = ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] };
    const tls = { timeout, rejectUnauthorized: verifyCertificate, ...trust };
    const common = { allowH2: false, connections: 8, maxHeaderSize: 64 * 1024 };
    const made =
      proxy === undefined
        ? new Agent({ ...common, connect: tls })
        : new ProxyAgent({ ...common, uri: proxy.href, connectTimeout: timeout, requestTls: tls });
    this.#dispatchers.set(key, made);
    return made;
  }

  /** The whole of an answer. @throws {OciError} `LIMIT_EXCEEDED` if it is longer than it may be. */
  async readBounded(response: HttpResponse, maximumSize: number): Promise<Buffer> {
    const { url, headers, body } = response;
    const chunks: Uint8Array[] = [];
    let size = Number(headers['content-length'] ?? 0);
    // What an answer to HEAD announces does not come.
    const announced = size;
    if (size <= maximumSize) {
      size = 0;
      try {
        for await (const chunk of this.bytesOf(response)) {
          size += chunk.length;
          if (size > maximumSize) break;
          chunks.push(chunk);
        }
      } catch (error) {
        throw networkError(error, url);
      }
    }
    if (size <= maximumSize) return Buffer.concat(chunks);
    body.destroy();
    const long = announced > maximumSize ? `has ${announced} bytes, over the limit of` : 'is longer than';
    throw new OciError('LIMIT_EXCEEDED', `The answer of ${shown(url)} ${long} ${maximumSize} bytes.`, {
      subject: shown(url),
      remedy: 'This is no answer of a registry; check the name of the registry.',
    });
  }
}

/** Ends an answer that nobody wants; a short rest is read so that the connection can be used again. */
export async function discard(body: ResponseBody): Promise<void> {
  await body.dump({ limit: 64 * 1024 }).catch(() => undefined);
}

/** What a failed exchange means. */
export function networkError(error: unknown, url: URL): OciError {
  if (error instanceof OciError) return error;
  const code = systemErrorCode(error);
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return timedOut(url, 'no connection was made in time', error);
  if (code === 'UND_ERR_HEADERS_TIMEOUT') return timedOut(url, 'no answer came in time', error);
  if (code === 'UND_ERR_BODY_TIMEOUT') return timedOut(url, 'the answer stopped half-way', error);
  return new OciError('CONNECTION_FAILED', `${shown(url)} cannot be reached: ${reasonOf(error)}`, {
    subject: shown(url),
    remedy: remedyFor(error, proxyFor(url)),
    cause: error,
  });
}

/** Tells whether the same request may well succeed a moment later. */
export function isPassing(error: unknown): boolean {
  const code = systemErrorCode(error) ?? '';
  const unreachable = ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'];
  // What undici calls an invalid argument, among others, is a proxy that wants another password.
  const lasting = [...unreachable, 'UND_ERR_INVALID_ARG'];
  return !lasting.includes(code) && !isTlsError(error);
}

/** A URL without its query, which may hold a signature or a token. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** Whether an answer is a page for people: of a login form, a captive portal, or a web site that is no registry. */
export function isWebPage({ headers }: Pick<HttpResponse, 'headers'>): boolean {
  return /^\s*(text\/html|application\/xhtml\+xml)\b/i.test(String(headers['content-type'] ?? ''));
}

function isTlsError(error: unknown): boolean {
  return /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(systemErrorCode(error) ?? '');
}

function remedyFor(error: unknown, proxy: URL | undefined): string {
  if (proxy !== undefined) return `Check the proxy ${proxy.host}, which the environment names, and the network.`;
  if (systemErrorCode(error) === 'ENOTFOUND') return 'Check the name of the registry.';
  if (isTlsError(error)) {
    return 'Give its certificate as registries[host].ca, or name it in insecureRegistries if it speaks plain HTTP.';
  }
  return 'Check the network and that the registry runs, then try again.';
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return messageOf(error);
}

function timedOut(url: URL, what: string, cause: unknown): OciError {
  return new OciError('TIMED_OUT', `${shown(url)}: ${what}.`, {
    subject: shown(url),
    remedy: 'Check the network and that the registry runs, then try again.',
    cause,
  });
}

/** A server that is overloaded or failing, and may not be a moment later. */
export class ServerBusyError extends OciError {
  /** Milliseconds that it asks to wait; 0 if it does not say. */
  readonly retryAfter: number;

  constructor(url: URL, status: number, attempts: number, retryAfter: number) {
    const times = attempts === 1 ? '' : `, ${attempts} times`;
    const wait = retryAfter === 0 ? '' : ` and asks to wait ${Math.ceil(retryAfter / 1000)} s`;
    super('SERVER_FAILED', `${shown(url)} answered ${status}${times}${wait}.`, {
      subject: shown(url),
      remedy: status === 429 ? 'The registry limits requests; wait, or give credentials.' : 'Try again later.',
    });
    this.retryAfter = retryAfter;
  }
}
