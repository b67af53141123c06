import type { BlobContent } from './blob-content.ts';
import type { Digest } from './digest.ts';
import { OciError } from './errors.ts';
import { inParallel } from './in-parallel.ts';
import type { Descriptor } from './manifest.ts';
import type { PushProgress } from './push-progress.ts';
import type { ImageReference } from './reference.ts';
import { RegistryAccess } from './registry-access.ts';
import type { RegistryOptions } from './registry-options.ts';
import { detailOf, RepositoryClient } from './repository-client.ts';
import { repositoryScope } from './token-scope.ts';
import { refusal, uploadBlob } from './upload-blob.ts';

export interface PushOptions extends RegistryOptions {
  /** Repositories of the same registry from which it may take blobs, if this account may read them. Default: none. */
  mountFrom?: readonly string[] | undefined;
  /** Bytes; longer blobs are uploaded in pieces of this size, so that a broken connection costs one. Default: 16 MiB. */
  chunkSize?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: PushProgress) => void) | undefined;
}

/** What a push has brought to the registry. */
export interface Pushed {
  /** Full spelling of where it is now. */
  readonly reference: string;
  /** Digest of the manifest or index that the name points to. */
  readonly digest: Digest;
}

export interface BlobToPush {
  readonly descriptor: Descriptor;
  readonly content: BlobContent;
}

const usualChunkSize = 16 * 1024 * 1024;
const parallelBlobs = 3;

/** A repository that is being written to. */
export class PushRepository implements AsyncDisposable {
  readonly #access: RegistryAccess;
  readonly #client: RepositoryClient;
  readonly #options: PushOptions;

  constructor(reference: ImageReference, options: PushOptions) {
    this.#options = options;
    this.#access = new RegistryAccess(reference.registry, options);
    const others = (options.mountFrom ?? []).map((repository) => repositoryScope(repository, 'pull'));
    const scopes = [repositoryScope(reference.repository, 'pull', 'push'), ...others];
    this.#client = new RepositoryClient(this.#access, reference, scopes);
  }

  async putBlobs(blobs: readonly BlobToPush[]): Promise<void> {
    const { signal, onProgress, chunkSize = usualChunkSize } = this.#options;
    const { repository } = this.#client.location;
    const mountFrom = (this.#options.mountFrom ?? []).filter((other) => other !== repository);
    const distinct = [...new Map(blobs.map((blob) => [blob.descriptor.digest, blob])).values()];
    for (const { digest, size: total } of distinct.map(({ descriptor }) => descriptor)) {
      onProgress?.({ type: 'blob', digest, bytes: 0, total, rate: 0, state: 'waiting' });
    }
    await inParallel(distinct, parallelBlobs, signal, async ({ descriptor, content }, either) => {
      const upload = { mountFrom, chunkSize, signal: either, onProgress };
      await uploadBlob(this.#client, this.#access.http, descriptor, content, upload);
    });
  }

  /**
   * Puts a manifest or index under a tag, or under its digest.
   *
   * @throws {OciError} `PUSH_REFUSED` if the registry does not take it, or says that it took something else.
   */
  async putManifest({ mediaType, digest }: Descriptor, bytes: Uint8Array, target: string): Promise<void> {
    const headers = { 'content-type': mediaType, 'content-length': String(bytes.length) };
    const { signal } = this.#options;
    const request = { method: 'PUT', headers, body: () => bytes, signal } as const;
    const response = await this.#client.sendForDocument(`manifests/${target}`, request);
    if (response.status !== 201 && response.status !== 202) {
      throw await refusal(this.#client, response, `does not take the manifest ${digest}`, digest);
    }
    const stored = response.headers['docker-content-digest'];
    if (typeof stored === 'string' && stored.startsWith('sha256:') && stored !== digest) {
      const text = `${this.#client.base.host} stored the manifest ${digest} as ${stored}${detailOf(response)}.`;
      throw new OciError('PUSH_REFUSED', text, { subject: digest, remedy: 'The registry changes what it is given.' });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#access[Symbol.asyncDispose]();
  }
}
