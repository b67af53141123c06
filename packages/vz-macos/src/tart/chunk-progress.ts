import { type FileHandle, open, readFile } from 'node:fs/promises';
import type { Digest } from '@zlayer/oci-pull';

/**
 * Which pieces of an unfinished disk are on it, verified and safe from a power cut: a line each, appended when that is so. A
 * last line that a crash has cut off counts for nothing.
 */
export class ChunkProgress implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #done: Set<string>;

  private constructor(file: FileHandle, done: Set<string>) {
    this.#file = file;
    this.#done = done;
  }

  static async open(path: string): Promise<ChunkProgress> {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const file = await open(path, 'a', 0o600);
    // What was cut off must not become the beginning of the next line.
    if (whole.length < text.length) await file.truncate(Buffer.byteLength(whole));
    return new ChunkProgress(file, new Set(whole.split('\n')));
  }

  has(offset: number, rawDigest: Digest): boolean {
    return this.#done.has(line(offset, rawDigest));
  }

  /** To be called when the disk itself has been synced. */
  async add(offset: number, rawDigest: Digest): Promise<void> {
    this.#done.add(line(offset, rawDigest));
    await this.#file.write(`${line(offset, rawDigest)}\n`);
    await this.#file.datasync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

const line = (offset: number, rawDigest: Digest): string => `${offset} ${rawDigest}`;
