import type { PullPolicy, SourcePolicy } from '@zlayer/runtime-core';
import { isZlayerError } from '@zlayer/runtime-core/errors';
import type { Digest } from './digest.ts';
import { OciError } from './errors.ts';
import type { ImageSource, ImageSourceKind } from './image-source.ts';
import { LayoutSource } from './layout-source.ts';
import { formatReference, type ImageReference, type ParseReferenceOptions } from './reference.ts';
import type { RegistryOptions } from './registry-options.ts';
import { RegistrySource } from './registry-source.ts';

export interface SourceOptions extends RegistryOptions, ParseReferenceOptions {
  /**
   * `ifNotPresent` is content with what is in the store. `always` asks what the name means today, and fetches what
   * changed. `newer` does too, but makes do with what is in the store when there is no answer, or nothing under that
   * name. `never` asks no registry. Default: `ifNotPresent`.
   */
  policy?: PullPolicy | undefined;
  /**
   * `local`: only what was built, loaded or tagged here, in the store or in `layouts`. `registry`: only what came from
   * a registry. Default: `any`.
   */
  source?: SourcePolicy | undefined;
  /** Directories in OCI image-layout form that are looked into before any registry, in order. Default: none. */
  layouts?: readonly string[] | undefined;
  signal?: AbortSignal | undefined;
}

/** Something that is in the store, complete. */
export interface Stored<T> {
  readonly value: T;
  /** What its name pointed to when it was stored. */
  readonly resolved: Digest;
  readonly source: ImageSourceKind;
}

/**
 * Looks for an image where the policies allow it: in the store, in layouts, at mirrors and at the registry, in this
 * order. What is in the store is compared by digest alone, and fetched again only if its name now means something else.
 *
 * @param inStore What the store has under the name, if anything.
 * @param storeDirectory For the error.
 * @param copy Brings the image from a source into the store. Called anew if a source turns out to lack something.
 */
export async function fromSources<T>(
  reference: ImageReference,
  options: SourceOptions,
  inStore: Stored<T> | undefined,
  storeDirectory: string,
  copy: (source: ImageSource) => Promise<T>,
): Promise<T> {
  const { policy = 'ifNotPresent', source = 'any', signal = new AbortController().signal } = options;
  const found = inStore !== undefined && (source === 'any' || source === inStore.source) ? inStore : undefined;
  if (found !== undefined && (policy === 'ifNotPresent' || policy === 'never')) return found.value;

  const layouts = source === 'registry' ? [] : (options.layouts ?? []);
  let failure: unknown = unknownHere(reference, [storeDirectory, ...layouts]);
  for (const layout of layouts) {
    try {
      return await update(new LayoutSource(layout, reference, options));
    } catch (error) {
      if (!isAbsence(error)) throw error;
      failure = error;
    }
  }
  if (policy !== 'never' && source !== 'local') {
    try {
      await using registry = new RegistrySource(reference, options);
      return await update(registry);
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  const isEnough = source === 'local' || (policy === 'newer' && hasNoneNewer(failure));
  if (found !== undefined && isEnough) return found.value;
  throw failure;

  async function update(from: ImageSource): Promise<T> {
    const current = found === undefined ? undefined : await from.resolveDigest(signal);
    return found !== undefined && current === found.resolved ? found.value : await copy(from);
  }
}

/** What makes the next source worth a look. */
function isAbsence(error: unknown): boolean {
  return error instanceof OciError && ['IMAGE_UNKNOWN', 'NO_MATCHING_PLATFORM', 'BLOB_UNKNOWN'].includes(error.reason);
}

/** No answer, or none that has the image: a registry that wants to know who asks may just have no such name. */
function hasNoneNewer(error: unknown): boolean {
  if (isAbsence(error) || (error instanceof OciError && error.reason === 'UNAUTHORIZED')) return true;
  return isZlayerError(error) && (error.code === 'NETWORK' || error.code === 'TIMEOUT');
}

function unknownHere(reference: ImageReference, places: readonly string[]): OciError {
  const name = formatReference(reference);
  return new OciError('IMAGE_UNKNOWN', `${name} is not in ${places.join(' nor in ')}.`, {
    subject: name,
    remedy: 'Pull it with another pull policy than never, and another source policy than local.',
  });
}
