import { link, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ZlayerError } from '@zlayer/runtime-core';
import { errorCode, fileError } from '../file-error.ts';
import { isRecord } from '../host-status.ts';
import { readJsonFile } from '../json-file.ts';
import { processIdentity } from '../process-identity.ts';
import { writeFileAtomic } from '../write-file-atomic.ts';

/** What a record is checked with: a zod schema of an object fits. */
export interface RecordSchema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: Error };
}

export interface JsonRecordOptions<T> {
  /** Checks what is read. The member `version` is not part of it. */
  schema: RecordSchema<T>;
  /** The version that this program writes, from 1 on. */
  version: number;
  /** Turns what an older version wrote into what the next version would have written; by the older version's number. */
  migrations?: Readonly<Record<number, (old: Record<string, unknown>) => Record<string, unknown>>> | undefined;
}

/**
 * One JSON object in a file, with the version of its format. It is replaced as a whole, and the one before is kept beside it
 * (`PATH.previous`): if a crash of the machine has torn the file all the same, that one is read. One writer at a time.
 */
export class JsonRecord<T extends object> {
  readonly path: string;
  readonly #options: JsonRecordOptions<T>;
  #isTidy = false;
  /** The file was found damaged, so it is nothing to keep. */
  #isTorn = false;

  constructor(path: string, options: JsonRecordOptions<T>) {
    this.path = path;
    this.#options = options;
  }

  /**
   * What the record holds; `undefined` if it was never written.
   *
   * @throws ZlayerError `UNSUPPORTED` if a newer version of the program wrote it, `INTERNAL` if it is damaged.
   */
  async read(): Promise<T | undefined> {
    try {
      const value = await this.#readFile(this.path);
      if (value !== undefined) return value;
    } catch (error) {
      if (error instanceof ZlayerError && error.code === 'UNSUPPORTED') throw error;
      const previous = await this.#readFile(previousPath(this.path)).catch(() => undefined);
      if (previous === undefined) throw error;
      this.#isTorn = true;
      return previous;
    }
    // Between two renames there is a moment without a file on file systems that cannot link.
    return await this.#readFile(previousPath(this.path));
  }

  /** Replaces the record; when this has resolved, it survives a crash of the machine. */
  async write(value: T): Promise<void> {
    await this.#tidy();
    if (!this.#isTorn) await keepPrevious(this.path);
    await writeFileAtomic(this.path, `${JSON.stringify({ version: this.#options.version, ...value }, null, 2)}\n`);
    this.#isTorn = false;
  }

  /**
   * Reads, changes and writes it. The caller sees to it that nobody else does at the same time.
   *
   * @throws ZlayerError `NOT_FOUND` if it was never written.
   */
  async update(change: (value: T) => T): Promise<T> {
    const value = await this.read();
    if (value === undefined) {
      throw new ZlayerError('NOT_FOUND', `there is no record ${this.path}`, { subject: this.path });
    }
    const changed = change(value);
    await this.write(changed);
    return changed;
  }

  async #readFile(path: string): Promise<T | undefined> {
    const value = await readJsonFile(path);
    if (value === undefined) return undefined;
    const { version: wanted, schema } = this.#options;
    const found = isRecord(value) ? value['version'] : undefined;
    if (!isRecord(value) || !Number.isSafeInteger(found) || (found as number) < 1) {
      throw this.#damaged(path, 'it has no version');
    }
    if ((found as number) > wanted) {
      throw new ZlayerError(
        'UNSUPPORTED',
        `${path} was written by a newer version (format ${found}; this one knows ${wanted})`,
        { subject: path, remedy: 'Use the newer version, or remove what it has made with it.' },
      );
    }
    const result = schema.safeParse(this.#migrate(path, found as number, value));
    if (result.success) return result.data;
    throw this.#damaged(path, result.error.message, result.error);
  }

  #migrate(path: string, from: number, { version: _, ...value }: Record<string, unknown>): Record<string, unknown> {
    let migrated: Record<string, unknown> = value;
    for (let version = from; version < this.#options.version; version += 1) {
      const migration = this.#options.migrations?.[version];
      if (migration === undefined) throw this.#damaged(path, `nothing is known of format ${version} any more`);
      migrated = migration(migrated);
    }
    return migrated;
  }

  #damaged(path: string, why: string, cause?: unknown): ZlayerError {
    return new ZlayerError('INTERNAL', `cannot use the record ${path}: ${why}`, {
      subject: path,
      remedy: 'Remove it with what it describes.',
      cause,
    });
  }

  /** Removes what writers have left that were killed while they wrote. */
  async #tidy(): Promise<void> {
    if (this.#isTidy) return;
    this.#isTidy = true;
    const prefix = `${basename(this.path)}.`;
    for (const name of await readdir(dirname(this.path)).catch(() => [])) {
      const pid = /^(\d+)-[0-9a-f]{8}$/.exec(name.startsWith(prefix) ? name.slice(prefix.length) : '')?.[1];
      if (pid === undefined || processIdentity(Number(pid)) !== undefined) continue;
      await rm(join(dirname(this.path), name), { force: true });
    }
  }
}

const previousPath = (path: string): string => `${path}.previous`;

async function keepPrevious(path: string): Promise<void> {
  const temporary = `${path}.keep`;
  try {
    await rm(temporary, { force: true });
    await link(path, temporary);
    await rename(temporary, previousPath(path));
  } catch (error) {
    const code = errorCode(error);
    // Nothing to keep yet, or a file system without links: what is there stays until it is replaced.
    if (!['ENOENT', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(code ?? '')) {
      throw fileError('cannot write', path, error);
    }
  }
}
