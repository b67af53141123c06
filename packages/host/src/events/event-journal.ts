import { appendFile, mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../file-error.ts';
import { FileLock } from '../lock/file-lock.ts';
import { type JournalEntry, MAX_ENTRY_BYTES } from './journal-entry.ts';
import { CURRENT, PREVIOUS } from './journal-file.ts';
import { type ReadJournalOptions, readJournal } from './read-journal.ts';

const DEFAULT_MAX_BYTES = 4 * 1024 * 1024;

export interface EventJournalOptions {
  /** A folder that holds nothing else. It is made when something is written, or read. */
  directory: string;
  /** Size, in bytes, at which a new file is begun; the one before it is kept, older ones are not. Default: 4 MiB. */
  maxBytes?: number | undefined;
}

/**
 * What has happened, in a file that many processes append to and read: one line of JSON for each event, in the order in
 * which they were written. Readers are woken by the file system; nobody polls.
 */
export class EventJournal {
  readonly #directory: string;
  readonly #maxBytes: number;
  #waiting: string[] = [];
  #writing: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor({ directory, maxBytes = DEFAULT_MAX_BYTES }: EventJournalOptions) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
  }

  /** Writes an event after those before it. What cannot be written is told by `flush`; one that is too long is left out. */
  append(entry: JournalEntry): void {
    const line = `${JSON.stringify(entry)}\n`;
    if (Buffer.byteLength(line) > MAX_ENTRY_BYTES) return;
    this.#waiting.push(line);
    if (this.#waiting.length === 1) this.#writing = this.#writing.then(() => this.#write());
  }

  /**
   * Resolves when all is written.
   *
   * @throws what the file system said last of something that could not be written since the call before this one.
   */
  async flush(): Promise<void> {
    await this.#writing;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  /** What is written from the call on, and before it as the options say. */
  read(options: ReadJournalOptions = {}): AsyncIterable<JournalEntry> {
    return readJournal(this.#directory, options);
  }

  async #write(): Promise<void> {
    const text = this.#waiting.join('');
    this.#waiting = [];
    const path = join(this.#directory, CURRENT);
    const options = { mode: 0o600 };
    try {
      // The file system keeps what several processes append in one piece each.
      await appendFile(path, text, options).catch(async (error: unknown) => {
        if (errorCode(error) !== 'ENOENT') throw error;
        await mkdir(this.#directory, { recursive: true, mode: 0o700 });
        await appendFile(path, text, options);
      });
      if ((await sizeOf(path)) > this.#maxBytes) await this.#rotate(path);
    } catch (error) {
      this.#failure = error;
    }
  }

  async #rotate(path: string): Promise<void> {
    using lock = await FileLock.tryAcquire(join(this.#directory, 'lock'));
    // Somebody else is about it, or was.
    if (!lock || (await sizeOf(path)) <= this.#maxBytes) return;
    await rename(path, join(this.#directory, PREVIOUS));
  }
}

/** One that was put away meanwhile is empty. */
async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
