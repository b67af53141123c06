import type { BlobContent } from './blob-content.ts';
import { ByteRate } from './byte-rate.ts';
import { OciError } from './errors.ts';
import { discard, type HttpClient, isPassing, networkError, ServerBusyError, shown } from './http-client.ts';
import type { Descriptor } from './manifest.ts';
import { pause } from './pause.ts';
import type { PushProgress } from './push-progress.ts';
import { type DocumentResponse, detailOf, type RepositoryClient } from './repository-client.ts';
import { retryDelay } from './retry.ts';

export interface UploadOptions {
  /** Repositories of the same registry that may have the blob. */
  mountFrom: readonly string[];
  /** Bytes; a blob that is longer is sent in pieces of this size. */
  chunkSize: number;
  signal: AbortSignal;
  onProgress?: ((progress: PushProgress) => void) | undefined;
}

/** An upload that the registry has begun; its place may change with each answer. */
interface Session {
  url: URL;
  /** Bytes that the registry has. */
  offset: number;
  /** The registry takes no smaller pieces, but for the last. */
  readonly minimumChunk: number;
}

/** Milliseconds; a registry that wants a longer pause is not waited for. */
const maximumPause = 60_000;
/** Milliseconds for telling the registry that an upload is given up. */
const farewellPatience = 5000;

/**
 * Brings a blob into a repository: not at all if it is there, by mounting it from another repository if one has it,
 * in one request if it is small, in pieces otherwise. A piece that fails is continued where the registry says it is.
 *
 * @throws {OciError} `PUSH_REFUSED` if the registry does not take it; it was told to forget the half-done upload then.
 */
export async function uploadBlob(
  client: RepositoryClient,
  http: HttpClient,
  descriptor: Descriptor,
  content: BlobContent,
  options: UploadOptions,
): Promise<void> {
  const upload = new BlobUpload(client, http, descriptor, content, options);
  await upload.run();
}

class BlobUpload {
  readonly #client: RepositoryClient;
  readonly #http: HttpClient;
  readonly #descriptor: Descriptor;
  readonly #content: BlobContent;
  readonly #options: UploadOptions;
  #rate = new ByteRate();

  constructor(
    client: RepositoryClient,
    http: HttpClient,
    descriptor: Descriptor,
    content: BlobContent,
    options: UploadOptions,
  ) {
    this.#client = client;
    this.#http = http;
    this.#descriptor = descriptor;
    this.#content = content;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { size } = this.#descriptor;
    if (await this.#exists()) return this.#report('exists', size);
    const begun = await this.#begin();
    if (begun === undefined) return this.#report('mounted', size);
    let session: Session = begun;
    this.#rate = new ByteRate();
    this.#report('uploading', 0);
    let furthest = 0;
    let isBroken = false;
    for (let attempt = 1; ; attempt++) {
      try {
        if (isBroken) {
          const next: Session | undefined = (await this.#resumed(session)) ?? (await this.#begin());
          if (next === undefined) return this.#report('mounted', size);
          session = next;
          isBroken = false;
          if (session.offset > furthest) attempt = 1;
          furthest = Math.max(furthest, session.offset);
        }
        await this.#finish(session);
        return this.#report('done', size);
      } catch (error) {
        try {
          await this.#waitAfter(error, attempt, session.url);
        } catch (reason) {
          await this.#cancel(session);
          throw reason;
        }
        isBroken = true;
      }
    }
  }

  /** Waits until an upload that failed is worth another try; throws the failure if it is not. */
  async #waitAfter(error: unknown, attempt: number, url: URL): Promise<void> {
    const { signal } = this.#options;
    signal.throwIfAborted();
    if (attempt >= this.#http.transport.attempts || !isWorthAnotherTry(error)) {
      const { digest } = this.#descriptor;
      if (error instanceof OutOfStep) throw refused(`${this.#client.base.host} loses pieces of ${digest}`, digest);
      throw networkError(error, url);
    }
    await pause(Math.max(retryDelay(attempt), pauseWanted(error)), signal);
  }

  async #exists(): Promise<boolean> {
    const { digest, size } = this.#descriptor;
    const response = await this.#client.send(`blobs/${digest}`, this.#request('HEAD'));
    await discard(response.body);
    if (response.status === 200) {
      const length = response.headers['content-length'];
      return length === undefined || Number(length) === size;
    }
    if (response.status === 404) return false;
    throw await this.#refusal({ ...response, bytes: Buffer.alloc(0) }, `does not say whether it has ${digest}`);
  }

  /** Begins an upload; undefined if the registry could mount the blob from another repository. */
  async #begin(): Promise<Session | undefined> {
    const { digest } = this.#descriptor;
    for (const from of this.#options.mountFrom) {
      const query = new URLSearchParams({ mount: digest, from });
      const response = await this.#client.sendForDocument(`blobs/uploads/?${query}`, this.#request('POST'));
      if (response.status === 201) return undefined;
      // A registry that cannot mount begins an upload instead. Others that may have it are worth a question each.
      if (response.status === 202) {
        if (from === this.#options.mountFrom.at(-1)) return this.#sessionOf(response);
        await this.#cancel(this.#sessionOf(response));
      } else if (response.status === 401 || response.status >= 500) {
        throw await this.#refusal(response, `does not mount ${digest}`);
      }
    }
    const response = await this.#client.sendForDocument('blobs/uploads/', this.#request('POST'));
    if (response.status !== 202) throw await this.#refusal(response, `takes no upload of ${digest}`);
    return this.#sessionOf(response);
  }

  #sessionOf(response: DocumentResponse): Session {
    const minimum = Number(response.headers['oci-chunk-min-length'] ?? 0);
    return {
      url: this.#client.resolve(response.headers['location'], response.url),
      offset: 0,
      minimumChunk: Number.isSafeInteger(minimum) ? minimum : 0,
    };
  }

  /** Sends what the registry does not have yet and closes the upload. */
  async #finish(session: Session): Promise<void> {
    const { digest, size } = this.#descriptor;
    const chunkSize = Math.max(this.#options.chunkSize, session.minimumChunk);
    const whole = session.offset === 0 && size <= chunkSize;
    while (!whole && session.offset < size) await this.#sendChunk(session, Math.min(size, session.offset + chunkSize));
    const url = new URL(session.url);
    url.searchParams.set('digest', digest);
    const response = await this.#client.upload(url, this.#piece('PUT', session.offset, size));
    if (response.status !== 201) throw await this.#refusal(response, `does not take ${digest}`);
  }

  async #sendChunk(session: Session, end: number): Promise<void> {
    const { digest } = this.#descriptor;
    const start = session.offset;
    const request = this.#piece('PATCH', start, end);
    request.headers['content-range'] = `${start}-${end - 1}`;
    const response = await this.#client.upload(session.url, request);
    if (response.status === 416) throw new OutOfStep();
    if (response.status !== 202)
      throw await this.#refusal(response, `does not take bytes ${start}-${end - 1} of ${digest}`);
    session.url = this.#client.resolve(response.headers['location'], response.url);
    const reached = endOf(response, end);
    if (reached > end) throw this.#liar(reached);
    // Less than was sent is odd, and without end if nothing is ever taken: the attempts are counted.
    if (reached !== end) throw new OutOfStep();
    session.offset = reached;
  }

  /** Asks how far an upload came; undefined if the registry has forgotten it. */
  async #resumed(session: Session): Promise<Session | undefined> {
    const response = await this.#client.sendForDocument(session.url, this.#request('GET'));
    if (response.status !== 204) return undefined;
    const url = this.#client.resolve(response.headers['location'] ?? session.url.href, response.url);
    const offset = endOf(response, 0);
    if (offset > this.#descriptor.size) throw this.#liar(offset);
    return { ...session, url, offset };
  }

  #liar(bytes: number): OciError {
    const { digest, size } = this.#descriptor;
    return refused(`${this.#client.base.host} says that it has ${bytes} of the ${size} bytes of ${digest}`, digest);
  }

  /** Frees what the registry keeps of a half-done upload. Nothing depends on it: registries forget old ones. */
  async #cancel(session: Session): Promise<void> {
    try {
      const signal = AbortSignal.timeout(farewellPatience);
      const response = await this.#client.send(session.url, { method: 'DELETE', headers: {}, attempts: 1, signal });
      await discard(response.body);
    } catch {
      // The failure that led here is the one to report.
    }
  }

  #request(method: 'HEAD' | 'GET' | 'POST') {
    const headers: Record<string, string> = method === 'POST' ? { 'content-length': '0' } : {};
    return { method, headers, signal: this.#options.signal };
  }

  /** A request with the bytes from `start` to before `end`. It is sent once: a repetition has to ask where to begin. */
  #piece(method: 'PUT' | 'PATCH', start: number, end: number) {
    const length = end - start;
    const headers: Record<string, string> = {
      'content-type': 'application/octet-stream',
      'content-length': String(length),
    };
    const body = () => (length === 0 ? new Uint8Array() : this.#counted(start, end));
    return { method, headers, body, attempts: 1, signal: this.#options.signal };
  }

  async *#counted(start: number, end: number): AsyncGenerator<Uint8Array> {
    let sent = start;
    for await (const chunk of this.#content.read(start, end)) {
      yield chunk;
      sent += chunk.length;
      this.#report('uploading', sent);
    }
  }

  #report(state: PushProgress['state'], bytes: number): void {
    const { digest, size: total } = this.#descriptor;
    const rate = state === 'uploading' || state === 'done' ? this.#rate.of(bytes) : 0;
    this.#options.onProgress?.({ type: 'blob', digest, bytes, total, rate, state });
  }

  async #refusal(response: DocumentResponse, what: string): Promise<OciError> {
    return await refusal(this.#client, response, what, this.#descriptor.digest);
  }
}

/** The registry has other bytes of the upload than we think. */
class OutOfStep extends Error {}

/** Milliseconds that an overloaded server asked for. */
function pauseWanted(error: unknown): number {
  return error instanceof ServerBusyError ? error.retryAfter : 0;
}

function isWorthAnotherTry(error: unknown): boolean {
  if (error instanceof OutOfStep) return true;
  if (error instanceof ServerBusyError) return error.retryAfter <= maximumPause;
  if (error instanceof OciError) return error.reason === 'CONNECTION_FAILED';
  return isPassing(error);
}

/** Where the next byte goes, after `Range: 0-LAST`; a registry that has nothing yet says `0-0` or nothing at all. */
function endOf({ headers }: DocumentResponse, otherwise: number): number {
  const match = /^(?:bytes=)?0-([0-9]{1,15})$/.exec(String(headers['range'] ?? '').trim());
  const last = match === null ? 0 : Number(match[1]);
  return last === 0 ? otherwise : last + 1;
}

/** The error for a registry that does not take something. */
export async function refusal(
  client: RepositoryClient,
  response: DocumentResponse,
  what: string,
  subject: string,
): Promise<OciError> {
  const { status, url } = response;
  if (status === 401 || status === 403) return await client.refused(response, () => refused(what, subject));
  if (status >= 500) return new OciError('SERVER_FAILED', `${shown(url)} answered ${status}.`, { subject: shown(url) });
  return refused(`${client.base.host} ${what}: it said ${status}${detailOf(response)}`, subject);
}

function refused(text: string, subject: string): OciError {
  return new OciError('PUSH_REFUSED', `${text}.`, {
    subject,
    remedy: 'Check the name of the repository, and whether this account may write to it.',
  });
}
