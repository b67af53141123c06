import { closeSync, writeSync } from 'node:fs';
import { type ByteString, displayName } from './byte-string.ts';
import { DecompressionError, decompress } from './decompress.ts';
import { type Digest, DigestHash, splitDigest } from './digest.ts';
import { messageOf, OciError, type OciErrorReason, systemErrorCode } from './errors.ts';
import { EntryError, entryComponents } from './rootfs-path.ts';
import type { RootfsTree } from './rootfs-tree.ts';
import type { TarEntry } from './tar-entry.ts';
import { TarError } from './tar-header.ts';
import { TarReader } from './tar-reader.ts';
import type { UnpackBudget } from './unpack-budget.ts';
import type { LossRecorder } from './unpack-losses.ts';

export interface LayerContext {
  readonly tree: RootfsTree;
  readonly budget: UnpackBudget;
  readonly losses: LossRecorder;
  readonly signal: AbortSignal;
  /** For errors. */
  readonly image: string;
  readonly layer: Digest;
}

const whiteoutPrefix = '.wh.';
const opaqueMarker = '.wh..wh..opq';
/** Bookkeeping of an old storage driver that found its way into some layers. */
const auFsPrefix = '.wh..wh.';

/**
 * Applies one layer to a tree: decompresses it, makes its entries and its whiteouts, and verifies its diff id.
 *
 * @throws {OciError} Naming image, layer and entry.
 */
export async function applyLayer(
  content: AsyncIterable<Uint8Array>,
  diffId: Digest,
  context: LayerContext,
): Promise<void> {
  const hash = new DigestHash(splitDigest(diffId).algorithm);
  const archive = metered(decompress(content), hash, context.budget);
  const reader = new TarReader(archive);
  let current: TarEntry | undefined;
  try {
    context.tree.beginLayer();
    for (current = await reader.next(); current !== undefined; current = await reader.next()) {
      context.signal.throwIfAborted();
      context.budget.spendEntry(current.path);
      await applyEntry(current, reader, context);
    }
  } catch (error) {
    context.signal.throwIfAborted();
    throw layerError(error, current, context);
  } finally {
    await archive.return();
  }
  const actual = hash.digest();
  if (actual !== diffId) {
    const text = `Layer ${context.layer} of ${context.image} unpacks to ${actual}, but its diff id is ${diffId}.`;
    throw new OciError('DIGEST_MISMATCH', text, { subject: context.image, remedy: 'The image was built wrong.' });
  }
}

async function* metered(
  source: AsyncIterable<Uint8Array>,
  hash: DigestHash,
  budget: UnpackBudget,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of source) {
    budget.spendBytes(chunk.length);
    hash.update(chunk);
    yield chunk;
  }
}

async function applyEntry(entry: TarEntry, reader: TarReader, context: LayerContext): Promise<void> {
  const { tree, losses, signal } = context;
  const components = entryComponents(entry.path);
  const name = components.at(-1) ?? '';
  if (name.startsWith(whiteoutPrefix)) {
    applyWhiteout(tree, components, name);
    return;
  }
  if (entry.xattrs.size > 0) losses.add('xattrs', entry.path, entry.xattrs.size);
  switch (entry.type) {
    case 'file':
      await writeFile(components, entry, reader, context);
      break;
    case 'directory':
      tree.makeDirectory(components, entry);
      break;
    case 'symlink':
      tree.makeSymlink(components, entry);
      break;
    case 'hardlink':
      tree.makeHardLink(components, entry.linkPath);
      break;
    default:
      await tree.makeSpecial(components, entry, signal);
  }
}

function applyWhiteout(tree: RootfsTree, components: ByteString[], name: ByteString): void {
  const parent = components.slice(0, -1);
  if (name === opaqueMarker) {
    tree.makeOpaque(parent);
    return;
  }
  if (name.startsWith(auFsPrefix)) return;
  const hidden = name.slice(whiteoutPrefix.length);
  if (hidden === '' || hidden === '.' || hidden === '..') {
    throw new EntryError('UNSAFE_PATH', 'it is a whiteout of no file');
  }
  tree.whiteOut([...parent, hidden]);
}

async function writeFile(
  components: ByteString[],
  entry: TarEntry,
  reader: TarReader,
  { tree, signal }: LayerContext,
): Promise<void> {
  const { descriptor, path } = tree.createFile(components);
  try {
    for (let chunk = await reader.read(); chunk !== undefined; chunk = await reader.read()) {
      signal.throwIfAborted();
      for (let offset = 0; offset < chunk.length; ) offset += writeSync(descriptor, chunk, offset);
    }
    tree.finishFile(descriptor, path, entry);
  } finally {
    closeSync(descriptor);
  }
}

function layerError(error: unknown, entry: TarEntry | undefined, { image, layer }: LayerContext): unknown {
  const where = `layer ${layer} of ${image}`;
  const at = entry === undefined ? where : `${displayName(entry.path)} in ${where}`;
  const failed = (reason: OciErrorReason, what: string, remedy: string) =>
    new OciError(reason, `Cannot unpack ${at}: ${what}.`, { subject: image, remedy, cause: error });
  if (error instanceof EntryError && error.reason === 'LIMIT_EXCEEDED') {
    return failed(error.reason, error.message, 'If you trust the image, raise the limits.');
  }
  if (error instanceof EntryError) {
    return failed(error.reason, error.message, 'The image is built wrong or hostile; do not use it.');
  }
  if (error instanceof TarError || error instanceof DecompressionError) {
    return failed('CORRUPT_LAYER', error.message, 'The image is built wrong; build and push it again.');
  }
  const code = systemErrorCode(error);
  if (code === 'ENAMETOOLONG') {
    return failed('UNSAFE_PATH', 'its path is too long here', 'Unpack into a directory with a shorter path.');
  }
  if (code === undefined) return error;
  return failed('UNPACK_FAILED', messageOf(error), code === 'ENOSPC' ? 'Free some space.' : 'Check the directory.');
}
