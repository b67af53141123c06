import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, isDigest } from './digest.ts';
import { OciError, systemErrorCode } from './errors.ts';
import type { ImageSourceKind } from './image-source.ts';
import { JsonDocument } from './json-document.ts';
import { withLockFile } from './lock-file.ts';
import { type Descriptor, parseIndexEntry } from './manifest.ts';
import { mediaTypes } from './media-types.ts';
import { formatPlatform, type Platform } from './platform.ts';
import { newStagingPath, syncDirectory } from './staging.ts';

/** One image in a store. */
export interface ImageRecord extends Descriptor {
  /** The name exactly as it was asked for. */
  readonly name: string;
  /** The full spelling of the reference that the image came from; equivalent names share it. */
  readonly origin: string;
  /** What the origin's tag pointed to when it was pulled: an index, or the manifest itself. */
  readonly resolved: Digest;
  readonly platform: Platform;
  /** `local` for what was built, loaded or tagged here. */
  readonly source: ImageSourceKind;
}

const nameKey = 'org.opencontainers.image.ref.name';
const originKey = 'com.zlayer.image.origin';
const resolvedKey = 'com.zlayer.image.resolved';
const sourceKey = 'com.zlayer.image.source';

/** An entry as it stands in the file. Entries of other tools are kept as they are. */
type IndexItem = Readonly<Record<string, unknown>>;

/** `index.json` of a store: read at any time, changed under a lock, replaced in one step. */
export class StoreIndex {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes the two files that every image layout has. */
  async prepare(): Promise<void> {
    const marker = join(this.#directory, 'oci-layout');
    const found = await readOptional(marker);
    if (found === undefined) {
      // The index comes first: whoever sees the marker finds an index.
      await this.#change((items) => items);
      await this.#replace('oci-layout', { imageLayoutVersion: '1.0.0' });
      return;
    }
    const version = JsonDocument.parse(found, marker, 'STORE_FAILED').string('imageLayoutVersion');
    if (version !== '1.0.0') {
      throw new OciError('STORE_FAILED', `${marker} is of version ${version}, but only 1.0.0 is known.`);
    }
  }

  async read(): Promise<ImageRecord[]> {
    return ((await this.#readItems()) ?? []).map(parseRecord).filter((record) => record !== undefined);
  }

  /** The new record replaces its namesake; equivalent names follow, so that no two spellings mean different images. */
  async add(record: ImageRecord, signal?: AbortSignal): Promise<void> {
    await this.#change((items) => [...items.flatMap((item) => superseded(item, record)), formatRecord(record)], signal);
  }

  /** Takes out the records that a condition holds for. @returns Those records. */
  async remove(condition: (record: ImageRecord) => boolean, signal?: AbortSignal): Promise<ImageRecord[]> {
    let removed: ImageRecord[] = [];
    await this.#change((items) => {
      const isMeant = (item: IndexItem) => {
        const record = parseRecord(item);
        return record !== undefined && condition(record);
      };
      removed = items
        .filter(isMeant)
        .map(parseRecord)
        .filter((record) => record !== undefined);
      return items.filter((item) => !isMeant(item));
    }, signal);
    return removed;
  }

  async #change(edit: (items: IndexItem[]) => IndexItem[], signal?: AbortSignal): Promise<void> {
    const change = async () => {
      const before = await this.#readItems();
      const manifests = edit(before ?? []);
      if (JSON.stringify(manifests) === JSON.stringify(before)) return;
      await this.#replace('index.json', { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });
    };
    await withLockFile(`${this.#path}.lock`, change, signal);
  }

  async #replace(name: string, content: unknown): Promise<void> {
    const staged = await newStagingPath(join(this.#directory, 'staging'));
    try {
      const file = await open(staged, 'wx', 0o644);
      try {
        await file.writeFile(`${JSON.stringify(content)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(staged, join(this.#directory, name));
      await syncDirectory(this.#directory);
    } catch (error) {
      await rm(staged, { force: true });
      throw error;
    }
  }

  async #readItems(): Promise<IndexItem[] | undefined> {
    const bytes = await readOptional(this.#path);
    if (bytes === undefined) return undefined;
    const index = JsonDocument.parse(bytes, this.#path, 'STORE_FAILED');
    return index.documents('manifests').map((document) => document.source);
  }

  get #path(): string {
    return join(this.#directory, 'index.json');
  }
}

/** What becomes of an entry when a record is added. */
function superseded(item: IndexItem, by: ImageRecord): IndexItem[] {
  const known = parseRecord(item);
  if (known === undefined || formatPlatform(known.platform) !== formatPlatform(by.platform)) return [item];
  if (known.name === by.name) return [];
  return [known.origin === by.origin ? formatRecord({ ...by, name: known.name }) : item];
}

/** An entry that this package wrote; others have no origin and are none of its images. */
function parseRecord(item: IndexItem): ImageRecord | undefined {
  const document = JsonDocument.from(item, 'an entry of the store index', 'STORE_FAILED');
  const annotations = document.stringMap('annotations');
  const name = annotations[nameKey];
  const origin = annotations[originKey];
  const resolved = annotations[resolvedKey];
  if (name === undefined || origin === undefined || resolved === undefined || !isDigest(resolved)) return undefined;
  const { platform, ...descriptor } = parseIndexEntry(document);
  const source = annotations[sourceKey] === 'local' ? 'local' : 'registry';
  return platform === undefined ? undefined : { ...descriptor, name, origin, resolved, platform, source };
}

function formatRecord(record: ImageRecord): IndexItem {
  const { mediaType, digest, size, platform, name, origin, resolved, source } = record;
  return {
    mediaType,
    digest,
    size,
    platform: { ...platform },
    annotations: { [nameKey]: name, [originKey]: origin, [resolvedKey]: resolved, [sourceKey]: source },
  };
}

async function readOptional(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
