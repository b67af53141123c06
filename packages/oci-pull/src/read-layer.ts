import type { ByteString } from './byte-string.ts';
import type { ContentSink } from './content-sink.ts';
import { type Digest, DigestHash, splitDigest } from './digest.ts';
import { OciError } from './errors.ts';
import type { InodeNumber, InodeStore } from './inode-store.ts';
import { type InodeMetadata, type LayerContents, metadataOf, type Whiteout } from './layer-contents.ts';
import { layerError } from './layer-error.ts';
import { decompressWithin } from './metered-decompression.ts';
import { Pacer } from './pacer.ts';
import { checkSymlinkTarget, EntryError, entryComponents } from './rootfs-path.ts';
import type { TarEntry } from './tar-entry.ts';
import { TarReader } from './tar-reader.ts';
import type { UnpackBudget } from './unpack-budget.ts';

export interface LayerContext {
  readonly sink: ContentSink;
  readonly inodes: InodeStore;
  /** Counts the layers from the lowest. */
  readonly number: number;
  readonly budget: UnpackBudget;
  readonly signal: AbortSignal;
  /** For errors. */
  readonly image: string;
  readonly layer: Digest;
}

const whiteoutPrefix = '.wh.';
const opaqueMarker = '.wh..wh..opq';
/** The largest device numbers of Linux. */
const maximumMajor = 4095;
const maximumMinor = 1_048_575;
/** Bookkeeping of an old storage driver that found its way into some layers. */
const auFsPrefix = '.wh..wh.';

/**
 * Reads one layer: decompresses it, hands the contents of its files to the sink, verifies its diff id, and gives its
 * names and whiteouts. It needs no other layer, so several can be read at a time.
 *
 * @throws {OciError} Naming image, layer and entry.
 */
export async function readLayer(
  content: AsyncIterable<Uint8Array>,
  diffId: Digest,
  context: LayerContext,
): Promise<LayerContents> {
  const { budget, signal } = context;
  const hash = new DigestHash(splitDigest(diffId).algorithm);
  const archive = hashed(decompressWithin(content, budget), hash);
  const reader = new TarReader(archive);
  const paths: ByteString[] = [];
  const inodes: InodeNumber[] = [];
  const whiteouts: Whiteout[] = [];
  const pacer = new Pacer();
  let current: TarEntry | undefined;
  try {
    for (;;) {
      // A header that cannot be read has no name to tell.
      current = undefined;
      current = await reader.next();
      if (current === undefined) break;
      signal.throwIfAborted();
      budget.spendEntry(current.path);
      const pause = pacer.step();
      if (pause !== undefined) await pause;
      const components = entryComponents(current.path);
      const whiteout = whiteoutOf(current.path, components);
      if (whiteout === undefined) {
        inodes.push(await readEntry(current, components, reader, context));
        paths.push(current.path);
      } else if (whiteout !== 'ignored') {
        whiteouts.push(whiteout);
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    throw layerError(error, current?.path, context);
  } finally {
    await archive.return();
  }
  const actual = hash.digest();
  if (actual !== diffId) {
    const text = `Layer ${context.layer} of ${context.image} unpacks to ${actual}, but its diff id is ${diffId}.`;
    throw new OciError('DIGEST_MISMATCH', text, { subject: context.image, remedy: 'The image was built wrong.' });
  }
  return { paths, inodes, whiteouts };
}

async function* hashed(
  source: AsyncIterable<Uint8Array>,
  hash: DigestHash,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

function whiteoutOf(path: ByteString, components: readonly ByteString[]): Whiteout | 'ignored' | undefined {
  const name = components.at(-1) ?? '';
  if (!name.startsWith(whiteoutPrefix)) return undefined;
  const parent = components.slice(0, -1);
  if (name === opaqueMarker) return { path, hidden: parent, isOpaque: true };
  if (name.startsWith(auFsPrefix)) return 'ignored';
  const hidden = name.slice(whiteoutPrefix.length);
  if (hidden === '' || hidden === '.' || hidden === '..') {
    throw new EntryError('UNSAFE_PATH', 'it is a whiteout of no file');
  }
  return { path, hidden: [...parent, hidden], isOpaque: false };
}

async function readEntry(
  entry: TarEntry,
  components: readonly ByteString[],
  reader: TarReader,
  context: LayerContext,
): Promise<InodeNumber> {
  const { type, size, linkPath, deviceMajor, deviceMinor } = entry;
  if (type !== 'directory' && components.length === 0) {
    throw new EntryError('UNSAFE_PATH', 'only a directory can be the root');
  }
  if (type === 'hardlink') entryComponents(linkPath);
  if (type === 'symlink') checkSymlinkTarget(linkPath);
  if ((type === 'character' || type === 'block') && (deviceMajor > maximumMajor || deviceMinor > maximumMinor)) {
    throw new EntryError('CORRUPT_LAYER', `Linux has no device ${deviceMajor}:${deviceMinor}`);
  }
  const metadata = metadataOf(entry);
  const content = size === 0 ? -1 : await readFile(size, metadata, reader, context);
  const target = type === 'hardlink' || type === 'symlink' ? linkPath : '';
  const inode = { type, ...metadata, size, content, linkPath: target, deviceMajor, deviceMinor };
  return context.inodes.add(inode, context.number);
}

/** Brings the content of a file to the sink, which gives it a number. */
async function readFile(
  size: number,
  metadata: InodeMetadata,
  reader: TarReader,
  { sink, signal }: LayerContext,
): Promise<number> {
  const writer = sink.begin(size, metadata);
  try {
    for (let chunk = reader.take() ?? (await reader.read()); chunk !== undefined; ) {
      signal.throwIfAborted();
      const pressure = writer.write(chunk);
      if (pressure !== undefined) await pressure;
      chunk = reader.take() ?? (await reader.read());
    }
  } catch (error) {
    writer.abort();
    throw error;
  }
  return writer.end();
}
