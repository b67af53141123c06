import type { Digest } from './digest.ts';
import type { Descriptor } from './manifest.ts';

/** A manifest or index as it was served: the exact bytes, and what they are said to be. */
export interface ManifestDocument {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: Digest;
}

export interface OpenBlobOptions {
  /** Bytes that are here already, from the beginning of the blob. Default: 0. */
  offset?: number | undefined;
  signal: AbortSignal;
}

/** A blob that is under way. Whoever opened it reads `content` to its end, or leaves its loop, which closes it. */
export interface OpenedBlob {
  /** Where `content` begins: at the offset that was asked for, or at 0 if the source can only send the whole. */
  readonly start: number;
  /**
   * The bytes from `start` on, in order and without gaps; the source continues broken connections by itself. A chunk may
   * become invalid when the next one is asked for.
   */
  readonly content: AsyncIterable<Uint8Array>;
}

/** Where an image can be copied from. What it hands out is untrusted: whoever copies verifies sizes and digests. */
export interface ImageSource {
  /** Whether images from here were built, loaded or tagged on this machine, or came from a registry. */
  readonly kind: ImageSourceKind;
  /** The manifest or index that the image's name points to. `IMAGE_UNKNOWN` if there is none. */
  resolve(signal: AbortSignal): Promise<ManifestDocument>;
  /** The digest of what {@link resolve} would give, if the source tells it for less; otherwise undefined. */
  resolveDigest(signal: AbortSignal): Promise<Digest | undefined>;
  /** A manifest or config by its descriptor; never more bytes than a manifest may have. */
  readDocument(descriptor: Descriptor, kind: 'manifest' | 'blob', signal: AbortSignal): Promise<Uint8Array>;
  /** Opens a blob, from an offset if some of it is here already (left by a pull that was broken off). */
  openBlob(descriptor: Descriptor, options: OpenBlobOptions): Promise<OpenedBlob>;
  /**
   * A file of the blob's verified bytes in the store's own directory, which the store may move away instead of copying.
   * Default: there is none.
   */
  verifiedFile?(descriptor: Descriptor): string | undefined;
  /**
   * Hears that the bytes of a blob were wrong, and asks those mirrors no more that sent any of them.
   *
   * @returns Whether there were any. Default: there are no mirrors.
   */
  distrust?(digest: Digest): boolean;
}

/** Recorded with each image, for the `source` option of `pullImage`. */
export type ImageSourceKind = 'local' | 'registry';
