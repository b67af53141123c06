import type { ContentSink } from './content-sink.ts';
import type { Digest } from './digest.ts';
import { FlattenedTree } from './flattened-tree.ts';
import { InodeStore } from './inode-store.ts';
import type { LayerContents } from './layer-contents.ts';
import { layerError } from './layer-error.ts';
import { readLayer } from './read-layer.ts';
import type { StoredImage, StoredLayer } from './stored-image.ts';
import { UnpackBudget, type UnpackLimits } from './unpack-budget.ts';

/** Opens the compressed bytes of a layer, in the store or on their way there. They are verified at their end. */
export type OpenLayer = (layer: StoredLayer, signal: AbortSignal) => AsyncIterable<Uint8Array>;

/** Progress through the layers. Several are unpacked at a time. */
export interface UnpackProgress {
  readonly type: 'layer';
  readonly digest: Digest;
  /** From 1, the lowest layer. */
  readonly number: number;
  readonly count: number;
  readonly state: 'unpacking' | 'done';
}

export interface FlattenOptions {
  limits?: UnpackLimits | undefined;
  signal: AbortSignal;
  onProgress?: ((progress: UnpackProgress) => void) | undefined;
}

/**
 * Reads all layers of an image, several at a time and each in one pass: contents go to the sink, names into a tree with
 * the layers one above the other. Every layer's digest and diff id has been verified when this returns.
 */
export async function flattenLayers(
  image: StoredImage,
  open: OpenLayer,
  sink: ContentSink,
  { limits, signal: outer, onProgress }: FlattenOptions,
): Promise<FlattenedTree> {
  const budget = new UnpackBudget(limits);
  const inodes = new InodeStore();
  const tree = new FlattenedTree(inodes, budget, (content) => sink.discard(content));
  const failure = new AbortController();
  const signal = AbortSignal.any([outer, failure.signal]);
  const waiting = new Map<number, LayerContents>();
  const count = image.layers.length;
  let merged = 0;
  let next = 0;

  let isMerging = false;
  const mergeWhatIsReady = async () => {
    // Whoever merges already goes on with what is ready by then.
    if (isMerging) return;
    isMerging = true;
    for (let layer = waiting.get(merged); layer !== undefined; layer = waiting.get(merged)) {
      const digest = image.layers[merged]?.digest ?? image.digest;
      waiting.delete(merged++);
      await tree.add(layer, (error, path) => layerError(error, path, { image: image.reference, layer: digest }));
      signal.throwIfAborted();
    }
    isMerging = false;
  };
  const work = async () => {
    for (let index = next++; index < count; index = next++) {
      const layer = image.layers[index];
      if (layer === undefined) return;
      const { digest, diffId } = layer;
      const report = (state: 'unpacking' | 'done') =>
        onProgress?.({ type: 'layer', digest, number: index + 1, count, state });
      signal.throwIfAborted();
      report('unpacking');
      const context = { sink, inodes, number: index, budget, signal, image: image.reference, layer: digest };
      waiting.set(index, await readLayer(open(layer, signal), diffId, context));
      await mergeWhatIsReady();
      report('done');
    }
  };
  const guarded = async () => {
    try {
      await work();
    } catch (error) {
      // The first failure is the one to report; it ends the other layers.
      failure.abort(error);
      throw error;
    }
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(sink.parallelLayers, count) }, guarded));
  signal.throwIfAborted();
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return tree;
}
