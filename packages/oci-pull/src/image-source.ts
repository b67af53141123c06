import type { Digest } from './digest.ts';
import type { Descriptor } from './manifest.ts';

/** A manifest or index as it was served: the exact bytes, and what they are said to be. */
export interface ManifestDocument {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: Digest;
}

/** Where an image can be copied from. What it hands out is untrusted: whoever copies verifies sizes and digests. */
export interface ImageSource {
  /** The manifest or index that the image's name points to. */
  resolve(signal: AbortSignal): Promise<ManifestDocument>;
  /** A manifest or config by its descriptor; never more bytes than a manifest may have. */
  readDocument(descriptor: Descriptor, kind: 'manifest' | 'blob', signal: AbortSignal): Promise<Uint8Array>;
  /** The bytes of a blob, in order. */
  openBlob(descriptor: Descriptor, signal: AbortSignal): AsyncIterable<Uint8Array>;
}
