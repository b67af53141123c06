import type { OpenBlobOptions, OpenedBlob } from './image-source.ts';
import type { Descriptor } from './manifest.ts';

/**
 * A place that may have blobs nearer than the registry: a shared disk, an object store. It is asked for layers before
 * the registry is, and offered those that came from there. It is not trusted: every blob is verified as always, and when
 * it fails the registry is asked instead.
 */
export interface BlobTier {
  has(descriptor: Descriptor, options: { signal: AbortSignal }): Promise<boolean>;
  open(descriptor: Descriptor, options: OpenBlobOptions): Promise<OpenedBlob>;
  /** Takes a blob that was fetched and verified. Default: the tier keeps what it has. */
  put?(descriptor: Descriptor, content: AsyncIterable<Uint8Array>, options: { signal: AbortSignal }): Promise<void>;
}
