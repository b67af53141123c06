import { isIP } from 'node:net';
import { Authenticator, type Credentials, parseChallenges } from './authentication.ts';
import { type Digest, digestOf, splitDigest } from './digest.ts';
import { OciError } from './errors.ts';
import {
  discard,
  HttpClient,
  type HttpRequest,
  type HttpResponse,
  isPassing,
  networkError,
  retryDelay,
  shown,
} from './http-client.ts';
import type { ImageSource, ManifestDocument } from './image-source.ts';
import { acceptedManifests, type Descriptor, maximumManifestSize } from './manifest.ts';
import { pause } from './pause.ts';
import { formatReference, type ImageReference } from './reference.ts';

export interface RegistrySourceOptions {
  credentials?: Credentials | undefined;
  /** Registries (`host` or `host:port`) that are spoken to over plain HTTP. Loopback hosts always are. */
  insecureRegistries?: readonly string[] | undefined;
}

const maximumRedirects = 5;
const blobAttempts = 4;
/** A body that brings less than this in a minute is given up: it would take days. */
const slowest = { bytes: 16 * 1024, milliseconds: 60_000 };

/** An image in a registry, over the distribution API. */
export class RegistrySource implements ImageSource, AsyncDisposable {
  readonly #http = new HttpClient();
  readonly #reference: ImageReference;
  readonly #base: URL;
  readonly #insecure: ReadonlySet<string>;
  readonly #authenticator: Authenticator;

  constructor(reference: ImageReference, { credentials, insecureRegistries = [] }: RegistrySourceOptions = {}) {
    this.#reference = reference;
    this.#insecure = new Set(insecureRegistries.map((name) => name.toLowerCase()));
    const { registry, repository } = reference;
    const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
    const scheme = this.#insecure.has(registry) || isLoopback(new URL(`http://${host}`)) ? 'http' : 'https';
    this.#base = new URL(`${scheme}://${host}/v2/${repository}/`);
    const mayUse = (url: URL) => this.#mayUse(url);
    this.#authenticator = new Authenticator(this.#http, this.#base, repository, credentials, mayUse);
  }

  async resolve(signal: AbortSignal): Promise<ManifestDocument> {
    const { tag, digest } = this.#reference;
    const { bytes, headers } = await this.#manifest(digest ?? tag ?? 'latest', signal);
    const announced = headers['docker-content-digest'];
    const actual = digestOf(bytes, digest === undefined ? 'sha256' : splitDigest(digest).algorithm);
    if (digest !== undefined && actual !== digest) throw this.#mismatch(digest, actual);
    if (typeof announced === 'string' && announced.startsWith('sha256:') && digestOf(bytes) !== announced) {
      throw this.#mismatch(announced, digestOf(bytes));
    }
    return { bytes, mediaType: String(headers['content-type'] ?? ''), digest: actual };
  }

  async readDocument(descriptor: Descriptor, kind: 'manifest' | 'blob', signal: AbortSignal): Promise<Uint8Array> {
    if (kind === 'manifest') return (await this.#manifest(descriptor.digest, signal)).bytes;
    const url = this.#url(`blobs/${descriptor.digest}`);
    const send = (target: URL, request: HttpRequest) => this.#send(target, request);
    const response = await this.#http.sendForDocument(url, { headers: {}, signal }, maximumManifestSize, send);
    if (response.status !== 200) throw this.#refused(response.url, response.status, descriptor.digest);
    return response.bytes;
  }

  /** Streams a blob; when the connection breaks, it goes on where it stopped. */
  async *openBlob(descriptor: Descriptor, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let received = 0;
    for (let attempt = 1; ; attempt++) {
      const { response, skip } = await this.#blobFrom(descriptor, received, signal);
      let position = received - skip;
      const pace = new Pace();
      try {
        for await (const chunk of response.body) {
          const fresh = chunk.subarray(Math.max(0, received - position));
          position += chunk.length;
          if (fresh.length === 0) continue;
          received += fresh.length;
          yield fresh;
          if (pace.isTooSlow(chunk.length)) throw tooSlow(response.url);
        }
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof OciError) throw error;
        if (attempt === blobAttempts || !isPassing(error)) throw networkError(error, response.url);
      } finally {
        response.body.destroy();
      }
      await pause(retryDelay(attempt), signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http.close();
  }

  /** Requests a blob from an offset; `skip` says how many bytes the server sends again because it ignores ranges. */
  async #blobFrom(
    { digest, size }: Descriptor,
    offset: number,
    signal: AbortSignal,
  ): Promise<{ response: HttpResponse; skip: number }> {
    // Bytes are hashed as they are stored, so a server must not compress them on the way.
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    if (offset > 0) headers['range'] = `bytes=${offset}-`;
    const response = await this.#send(this.#url(`blobs/${digest}`), { headers, signal });
    const partial = response.status === 206 && offset > 0;
    try {
      if (!partial && response.status !== 200) throw this.#refused(response.url, response.status, digest);
      const range = String(response.headers['content-range'] ?? '');
      if (partial && !range.startsWith(`bytes ${offset}-`)) {
        throw new OciError('SERVER_FAILED', `${shown(response.url)} sent another range than ${offset}-.`);
      }
      const length = response.headers['content-length'];
      const expected = partial ? size - offset : size;
      if (length !== undefined && Number(length) !== expected) {
        const text = `The blob ${digest} should have ${expected} bytes but ${shown(response.url)} sends ${length}.`;
        throw new OciError('SIZE_MISMATCH', text, { subject: digest, remedy: 'The registry has it damaged.' });
      }
    } catch (error) {
      response.body.destroy();
      throw error;
    }
    return { response, skip: partial ? 0 : offset };
  }

  async #manifest(target: string, signal: AbortSignal): Promise<HttpResponse & { bytes: Buffer }> {
    const url = this.#url(`manifests/${target}`);
    const headers = { accept: acceptedManifests };
    const send = (to: URL, request: HttpRequest) => this.#send(to, request);
    const response = await this.#http.sendForDocument(url, { headers, signal }, maximumManifestSize, send);
    if (response.status !== 200) throw this.#refused(response.url, response.status, target);
    return response;
  }

  /** Sends a request with the credentials that the registry asked for, following redirects without them. */
  async #send(url: URL, request: HttpRequest): Promise<HttpResponse> {
    let target = url;
    let authorization = await this.#authenticator.header();
    let answered = false;
    for (let redirects = 0; ; ) {
      const own = target.origin === this.#base.origin;
      const headers = own && authorization !== undefined ? { ...request.headers, authorization } : request.headers;
      const response = await this.#http.send(target, { ...request, headers });
      if (response.status === 401 && own && !answered) {
        await discard(response.body);
        const challenges = parseChallenges(response.headers['www-authenticate']);
        authorization = await this.#authenticator.answer(challenges, authorization, request.signal);
        answered = true;
      } else if ([301, 302, 303, 307, 308].includes(response.status)) {
        await discard(response.body);
        if (++redirects > maximumRedirects) throw this.#unsafeRedirect(`redirects more than ${maximumRedirects} times`);
        target = this.#redirected(target, response.headers['location']);
      } else {
        return response;
      }
    }
  }

  #redirected(from: URL, location: string | string[] | undefined): URL {
    const text = String(location ?? '');
    const target = URL.canParse(text, from.href) ? new URL(text, from) : undefined;
    if (target === undefined || !this.#mayUse(target)) throw this.#unsafeRedirect(`sends to ${JSON.stringify(text)}`);
    return target;
  }

  /**
   * Plain HTTP is for hosts that the user named, and among loopback hosts.
   * A registry elsewhere has no business with what listens on this machine.
   */
  #mayUse(url: URL): boolean {
    if (url.protocol === 'https:') return true;
    if (url.protocol !== 'http:') return false;
    return this.#insecure.has(url.host) || (isLoopback(url) && isLoopback(this.#base));
  }

  #url(path: string): URL {
    return new URL(path, this.#base);
  }

  #refused(url: URL, status: number, what: string): OciError {
    if (status === 401 || status === 403) return this.#authenticator.unauthorized(`it said ${status}`);
    if (status === 404) {
      const isBlob = url.pathname.includes('/blobs/') || what !== (this.#reference.digest ?? this.#reference.tag);
      const text = `${this.#base.host} has no ${isBlob ? what : formatReference(this.#reference)}.`;
      return new OciError(isBlob ? 'BLOB_UNKNOWN' : 'IMAGE_UNKNOWN', text, {
        subject: formatReference(this.#reference),
        remedy: isBlob ? 'The image is incomplete there; push it again.' : 'Check the spelling of name and tag.',
      });
    }
    return new OciError('SERVER_FAILED', `${shown(url)} answered ${status}.`, { subject: shown(url) });
  }

  #unsafeRedirect(what: string): OciError {
    return new OciError('UNSAFE_REDIRECT', `The registry ${this.#base.host} ${what}.`, {
      subject: formatReference(this.#reference),
      remedy: 'Only https is followed; if you trust a server with plain HTTP, name it in insecureRegistries.',
    });
  }

  #mismatch(expected: string, actual: Digest): OciError {
    return new OciError('DIGEST_MISMATCH', `The manifest ${expected} came with other content, of digest ${actual}.`, {
      subject: formatReference(this.#reference),
      remedy: 'The registry, or something between it and this machine, changed it.',
    });
  }
}

/** Notices a body that trickles: silence is noticed by a time-out of its own. */
class Pace {
  #start = performance.now();
  #bytes = 0;

  isTooSlow(bytes: number): boolean {
    this.#bytes += bytes;
    if (performance.now() - this.#start < slowest.milliseconds) return false;
    const slow = this.#bytes < slowest.bytes;
    this.#start = performance.now();
    this.#bytes = 0;
    return slow;
  }
}

function isLoopback({ hostname }: URL): boolean {
  if (hostname === '[::1]' || hostname === 'localhost' || hostname.endsWith('.localhost')) return true;
  return isIP(hostname) === 4 && hostname.startsWith('127.');
}

function tooSlow(url: URL): OciError {
  return new OciError('TIMED_OUT', `${shown(url)} sends fewer than ${slowest.bytes} bytes a minute.`, {
    subject: shown(url),
    remedy: 'Check the network, then try again.',
  });
}
