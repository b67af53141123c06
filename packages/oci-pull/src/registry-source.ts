import { verifyDocument } from './choose-manifest.ts';
import { type Digest, digestOf, isDigest, splitDigest } from './digest.ts';
import { OciError } from './errors.ts';
import { discard, type HttpResponse, isPassing, isWebPage, networkError, shown } from './http-client.ts';
import type { ImageSource, ManifestDocument, OpenBlobOptions, OpenedBlob } from './image-source.ts';
import { acceptedManifests, type Descriptor, maximumManifestSize } from './manifest.ts';
import { pause } from './pause.ts';
import { formatReference, type ImageReference } from './reference.ts';
import { RegistryAccess } from './registry-access.ts';
import type { RegistryOptions } from './registry-options.ts';
import { releaseBuffer } from './release-buffer.ts';
import { type DocumentResponse, RepositoryClient } from './repository-client.ts';
import { retryDelay } from './retry.ts';
import { repositoryScope } from './token-scope.ts';

/** Bytes between two breaks after which the attempts are counted anew. */
const goodProgress = 8 * 1024 * 1024;

/** The registry or one of its mirrors. */
interface Place {
  readonly client: RepositoryClient;
  /** Mirrors are not asked again after they failed, and a mirror is not waited for as the registry itself is. */
  readonly isMirror: boolean;
  failed: boolean;
}

/** An answer that brings a blob, from `start` on. */
interface BlobResponse {
  readonly place: Place;
  readonly response: HttpResponse;
  readonly start: number;
}

/** An image in a registry, over the distribution API: first from the registry's mirrors, then from itself. */
export class RegistrySource implements ImageSource, AsyncDisposable {
  readonly kind = 'registry';
  readonly #access: RegistryAccess;
  readonly #reference: ImageReference;
  readonly #places: readonly Place[];
  /** Mirrors that sent bytes of a blob. */
  readonly #senders = new Map<Digest, Set<Place>>();

  constructor(reference: ImageReference, options: RegistryOptions = {}) {
    this.#access = new RegistryAccess(reference.registry, options);
    this.#reference = reference;
    const place = (location: { registry: string; repository: string }, isMirror: boolean): Place => {
      const scopes = [repositoryScope(location.repository, 'pull')];
      const client = new RepositoryClient(this.#access, location, scopes, isMirror ? 1 : undefined);
      return { client, isMirror, failed: false };
    };
    const mirrors = this.#access.mirrorsOf(reference).map((location) => place(location, true));
    this.#places = [...mirrors, place(reference, false)];
  }

  async resolve(signal: AbortSignal): Promise<ManifestDocument> {
    const { digest } = this.#reference;
    return await this.#anywhere(signal, async ({ client }) => {
      const { bytes, headers } = await this.#manifest(client, this.#target, signal);
      const announced = headers['docker-content-digest'];
      const actual = digestOf(bytes, digest === undefined ? 'sha256' : splitDigest(digest).algorithm);
      if (digest !== undefined && actual !== digest) throw this.#mismatch(digest, actual);
      if (typeof announced === 'string' && announced.startsWith('sha256:') && digestOf(bytes) !== announced) {
        throw this.#mismatch(announced, digestOf(bytes));
      }
      return { bytes, mediaType: String(headers['content-type'] ?? ''), digest: actual };
    });
  }

  /**
   * What {@link resolve} would give, as far as it can be known without fetching it.
   *
   * @returns undefined if the registry does not say.
   */
  async resolveDigest(signal: AbortSignal): Promise<Digest | undefined> {
    if (this.#reference.digest !== undefined) return this.#reference.digest;
    return await this.#anywhere(signal, async ({ client }) => {
      const request = { method: 'HEAD', headers: { accept: acceptedManifests }, signal } as const;
      const response = await client.send(`manifests/${this.#target}`, request);
      await discard(response.body);
      // Some registries refuse HEAD, others know it only for some accounts: the full request will tell.
      const announced = response.status === 200 ? String(response.headers['docker-content-digest'] ?? '') : '';
      return isDigest(announced) ? announced : undefined;
    });
  }

  async readDocument(descriptor: Descriptor, kind: 'manifest' | 'blob', signal: AbortSignal): Promise<Uint8Array> {
    const { digest } = descriptor;
    return await this.#anywhere(signal, async ({ client, isMirror }) => {
      const bytes =
        kind === 'manifest'
          ? (await this.#manifest(client, digest, signal)).bytes
          : await this.#document(client, digest, signal);
      // Whoever copies verifies this, too; but what a mirror has damaged is better had from the next one.
      if (isMirror) verifyDocument(bytes, descriptor);
      return bytes;
    });
  }

  async openBlob(descriptor: Descriptor, { offset = 0, signal }: OpenBlobOptions): Promise<OpenedBlob> {
    const known = offset <= descriptor.size ? offset : 0;
    if (known > 0 && known === descriptor.size) return { start: known, content: nothing() };
    const opened = await this.#anywhere(signal, (place) => this.#request(place, descriptor, known, signal));
    return { start: opened.start, content: this.#content(opened, descriptor, signal) };
  }

  distrust(digest: Digest): boolean {
    const senders = this.#senders.get(digest) ?? [];
    for (const place of senders) place.failed = true;
    return this.#senders.delete(digest);
  }

  #remember(digest: Digest, place: Place): void {
    const senders = this.#senders.get(digest) ?? new Set();
    this.#senders.set(digest, senders.add(place));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#access[Symbol.asyncDispose]();
  }

  get #target(): string {
    return this.#reference.digest ?? this.#reference.tag ?? 'latest';
  }

  /** Asks one place after the other. What a mirror answers is only final if it is what was wanted. */
  async #anywhere<T>(signal: AbortSignal, ask: (place: Place) => Promise<T>): Promise<T> {
    for (const place of this.#places) {
      if (place.failed) continue;
      try {
        return await ask(place);
      } catch (error) {
        signal.throwIfAborted();
        if (!place.isMirror) throw error;
        // A mirror may lack one thing and have others; one that cannot be reached is not asked again.
        place.failed = error instanceof OciError && (error.code === 'NETWORK' || error.code === 'TIMEOUT');
      }
    }
    throw new RangeError('the registry itself is the last place');
  }

  /** The bytes of an answer; when it breaks off, of further ones: at the next place, or at the registry once more. */
  async *#content(opened: BlobResponse, descriptor: Descriptor, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { http } = this.#access;
    let current: BlobResponse | undefined = opened;
    let received = opened.start;
    let broken = received;
    for (let attempt = 1; ; attempt++) {
      let failure: unknown;
      try {
        current ??= await this.#anywhere(signal, (place) => this.#request(place, descriptor, received, signal));
        let position = current.start;
        for await (const chunk of http.bytesOf(current.response)) {
          // A server that ignores ranges sends the beginning once more.
          const fresh = chunk.subarray(Math.max(0, received - position));
          position += chunk.length;
          if (fresh.length === 0) continue;
          if (current.place.isMirror) this.#remember(descriptor.digest, current.place);
          received += fresh.length;
          yield fresh;
          releaseBuffer(chunk);
        }
        if (received >= descriptor.size || !current.place.isMirror) return;
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      } finally {
        current?.response.body.destroy();
      }
      const { place, response } = current ?? { place: undefined, response: opened.response };
      current = undefined;
      if (place?.isMirror === true) {
        place.failed = true;
        continue;
      }
      // A connection that breaks now and then but gets on is not given up.
      if (received - broken >= goodProgress) attempt = 1;
      broken = received;
      if (attempt >= http.transport.attempts || !mayContinue(failure)) throw networkError(failure, response.url);
      await pause(retryDelay(attempt), signal);
    }
  }

  async #request(place: Place, descriptor: Descriptor, offset: number, signal: AbortSignal): Promise<BlobResponse> {
    const { client } = place;
    const { digest, size } = descriptor;
    const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const response = await client.send(`blobs/${digest}`, { headers, signal });
    const { status, url } = response;
    if (status === 416 && offset > 0) {
      await discard(response.body);
      return await this.#request(place, descriptor, 0, signal);
    }
    const partial = status === 206 && offset > 0;
    try {
      if (!partial && status !== 200) {
        const bytes = await this.#access.http.readBounded(response, maximumManifestSize);
        throw await client.refused({ ...response, bytes }, () => this.#unknownBlob(client, digest));
      }
      const range = String(response.headers['content-range'] ?? '');
      if (partial && !range.startsWith(`bytes ${offset}-`)) {
        throw new OciError('SERVER_FAILED', `${shown(url)} sent another range than ${offset}-.`, {
          subject: shown(url),
        });
      }
      const length = response.headers['content-length'];
      const expected = partial ? size - offset : size;
      // The bytes are used as they come, so a mirror has to show first that it means the right number of them.
      const unknownIsWrong = place.isMirror || isWebPage(response);
      if (length === undefined ? unknownIsWrong : Number(length) !== expected) {
        const sent = `${length ?? 'an unknown number'}${isWebPage(response) ? ', a web page' : ''}`;
        const text = `The blob ${digest} should have ${expected} bytes but ${shown(url)} sends ${sent}.`;
        throw new OciError('SIZE_MISMATCH', text, { subject: digest, remedy: 'The registry has it damaged.' });
      }
    } catch (error) {
      response.body.destroy();
      throw error;
    }
    return { place, response, start: partial ? offset : 0 };
  }

  async #document(client: RepositoryClient, digest: Digest, signal: AbortSignal): Promise<Buffer> {
    const response = await client.sendForDocument(`blobs/${digest}`, { headers: {}, signal });
    if (response.status !== 200) throw await client.refused(response, () => this.#unknownBlob(client, digest));
    return response.bytes;
  }

  async #manifest(client: RepositoryClient, target: string, signal: AbortSignal): Promise<DocumentResponse> {
    const request = { headers: { accept: acceptedManifests }, signal };
    const response = await client.sendForDocument(`manifests/${target}`, request);
    if (response.status !== 200) throw await client.refused(response, () => this.#unknownManifest(client, target));
    if (isWebPage(response)) {
      const text = `${shown(response.url)} answered with a web page instead of a manifest.`;
      throw new OciError('INVALID_MANIFEST', text, {
        subject: formatReference(this.#reference),
        remedy:
          'Check the name of the registry, and whether something on the way (a proxy, a login page) answers for it.',
      });
    }
    return response;
  }

  #unknownManifest(client: RepositoryClient, target: string): OciError {
    if (target !== this.#target) return this.#unknownBlob(client, target);
    const name = formatReference(this.#reference);
    return new OciError('IMAGE_UNKNOWN', `${client.base.host} has no ${name}.`, {
      subject: name,
      remedy: 'Check the spelling of name and tag.',
    });
  }

  #unknownBlob(client: RepositoryClient, digest: string): OciError {
    return new OciError('BLOB_UNKNOWN', `${client.base.host} has no ${digest}.`, {
      subject: formatReference(this.#reference),
      remedy: 'The image is incomplete there; push it again.',
    });
  }

  #mismatch(expected: string, actual: Digest): OciError {
    return new OciError('DIGEST_MISMATCH', `The manifest ${expected} came with other content, of digest ${actual}.`, {
      subject: formatReference(this.#reference),
      remedy: 'The registry, or something between it and this machine, changed it.',
    });
  }
}

/** Whether a download that broke off is worth another try: also when the server is just being started again. */
function mayContinue(failure: unknown): boolean {
  return failure instanceof OciError ? failure.reason === 'CONNECTION_FAILED' : isPassing(failure);
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
