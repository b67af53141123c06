import { Agent, request } from 'undici';
import { messageOf, OciError, systemErrorCode } from './errors.ts';
import { pause } from './pause.ts';

export interface HttpResponse {
  readonly url: URL;
  readonly status: number;
  /** Header names are in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: ResponseBody;
}

type ResponseBody = Awaited<ReturnType<typeof request>>['body'];

export interface HttpRequest {
  method?: 'GET' | 'HEAD';
  headers: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** Milliseconds: until connected, until the answer begins, and between two pieces of a body. */
const patience = { connect: 15_000, headers: 60_000, body: 60_000 };
/** Milliseconds that a token or a manifest may take as a whole. */
const documentPatience = 60_000;
const attempts = 4;
const maximumRetryDelay = 20_000;

/** HTTP over a keep-alive pool, one hop at a time: it follows no redirect and knows no credentials. */
export class HttpClient {
  readonly #agent = new Agent({
    allowH2: false,
    connect: { timeout: patience.connect },
    connections: 8,
    headersTimeout: patience.headers,
    bodyTimeout: patience.body,
    maxHeaderSize: 64 * 1024,
  });

  /**
   * Sends a request, a few times if the server is overloaded or the connection breaks. The caller must consume the body.
   *
   * @throws {OciError} `CONNECTION_FAILED`, `TIMED_OUT` or `SERVER_FAILED`; the signal's reason if it was aborted.
   */
  async send(url: URL, { method = 'GET', headers, signal }: HttpRequest): Promise<HttpResponse> {
    for (let attempt = 1; ; attempt++) {
      let delay = retryDelay(attempt);
      try {
        const options = { dispatcher: this.#agent, method, headers, signal: signal ?? null };
        const response = await request(url, options);
        const { statusCode: status } = response;
        // Whoever reads the body gets its error; a body that is given up must not bring the process down with one.
        response.body.on('error', () => undefined);
        if (status !== 429 && status < 500) return { url, status, headers: response.headers, body: response.body };
        await discard(response.body);
        if (attempt === attempts) throw serverFailed(url, status);
        delay = Math.max(delay, retryAfter(response.headers['retry-after']));
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof OciError) throw error;
        if (attempt === attempts || !isPassing(error)) throw networkError(error, url);
      }
      await pause(Math.min(delay, maximumRetryDelay), signal);
    }
  }

  /** Requests a document that fits in memory. */
  async sendForDocument(
    url: URL,
    options: HttpRequest,
    maximumSize: number,
    send: (url: URL, options: HttpRequest) => Promise<HttpResponse> = (target, rest) => this.send(target, rest),
  ): Promise<HttpResponse & { bytes: Buffer }> {
    const deadline = AbortSignal.timeout(documentPatience);
    const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]);
    try {
      const response = await send(url, { ...options, signal });
      return { ...response, bytes: await readBounded(response, maximumSize) };
    } catch (error) {
      options.signal?.throwIfAborted();
      if (deadline.aborted) throw timedOut(url, `the answer took longer than ${documentPatience / 1000} s`, error);
      throw error;
    }
  }

  /** Closes every connection, also those in use. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

/** Ends an answer that nobody wants; a short rest is read so that the connection can be used again. */
export async function discard(body: ResponseBody): Promise<void> {
  await body.dump({ limit: 64 * 1024 }).catch(() => undefined);
}

async function readBounded({ url, headers, body }: HttpResponse, maximumSize: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = Number(headers['content-length'] ?? 0);
  if (size <= maximumSize) {
    size = 0;
    try {
      for await (const chunk of body) {
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
  throw new OciError('LIMIT_EXCEEDED', `The answer of ${shown(url)} is longer than ${maximumSize} bytes.`, {
    subject: shown(url),
    remedy: 'This is no answer of a registry; check the name of the registry.',
  });
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
    remedy: remedyFor(error),
    cause: error,
  });
}

/** Tells whether the same request may well succeed a moment later. */
export function isPassing(error: unknown): boolean {
  const code = systemErrorCode(error) ?? '';
  const lasting = ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'];
  return !lasting.includes(code) && !isTlsError(error);
}

export function retryDelay(attempt: number): number {
  return 200 * 2 ** (attempt - 1) * (0.5 + Math.random() / 2);
}

/** A URL without its query, which may hold a signature or a token. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

function retryAfter(header: string | string[] | undefined): number {
  const seconds = Number(header);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
}

function isTlsError(error: unknown): boolean {
  return /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(systemErrorCode(error) ?? '');
}

function remedyFor(error: unknown): string {
  if (systemErrorCode(error) === 'ENOTFOUND') return 'Check the name of the registry.';
  if (isTlsError(error)) return 'If the registry speaks plain HTTP, name it in insecureRegistries.';
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

function serverFailed(url: URL, status: number): OciError {
  return new OciError('SERVER_FAILED', `${shown(url)} answered ${status}, ${attempts} times.`, {
    subject: shown(url),
    remedy: status === 429 ? 'The registry limits requests; wait, or give credentials.' : 'Try again later.',
  });
}
