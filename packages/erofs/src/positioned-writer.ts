import type { FileHandle } from 'node:fs/promises';

const BUFFER_SIZE = 1 << 20;
/** Writes under way before a caller is asked to wait. */
const MAX_UNDER_WAY = 4;

interface Write {
  start: number;
  end: number;
  done: Promise<void>;
}

/**
 * Writes to any place of a file, copying what it is given and joining what lies in a row into large writes. A later
 * write to the same place wins. A failed write is reported once, and what follows it is dropped.
 */
export class PositionedWriter {
  readonly #handle: FileHandle;
  readonly #onError: (error: unknown) => void;
  readonly #idle: Buffer[] = [];
  readonly #underWay = new Set<Write>();
  #buffer: Buffer | undefined;
  #start = 0;
  #filled = 0;
  #relief: PromiseWithResolvers<void> | undefined;
  #failed = false;

  constructor(handle: FileHandle, onError: (error: unknown) => void) {
    this.#handle = handle;
    this.#onError = onError;
  }

  /** Never waits; see `pressure`. */
  write(position: number, bytes: Uint8Array): void {
    if (this.#failed) return;
    if (position !== this.#start + this.#filled) this.#send();
    for (let from = 0; from < bytes.length; ) {
      if (this.#buffer === undefined) {
        this.#buffer = this.#idle.pop() ?? Buffer.allocUnsafeSlow(BUFFER_SIZE);
        this.#start = position + from;
        this.#filled = 0;
      }
      const count = Math.min(bytes.length - from, BUFFER_SIZE - this.#filled);
      this.#buffer.set(count === bytes.length ? bytes : bytes.subarray(from, from + count), this.#filled);
      this.#filled += count;
      from += count;
      if (this.#filled === BUFFER_SIZE) this.#send();
    }
  }

  /** Resolves (never rejects) as soon as there is room again; nothing when there is. */
  get pressure(): Promise<void> | undefined {
    if (this.#underWay.size < MAX_UNDER_WAY) return undefined;
    this.#relief ??= Promise.withResolvers<void>();
    return this.#relief.promise;
  }

  /** Waits until everything is written, or has failed. */
  async flush(): Promise<void> {
    this.#send();
    while (this.#underWay.size > 0) await Promise.all(Array.from(this.#underWay, ({ done }) => done));
  }

  /** Drops what is not under way, and waits for what is. */
  async stop(): Promise<void> {
    this.#failed = true;
    this.#buffer = undefined;
    await this.flush();
  }

  #send(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#buffer = undefined;
    const start = this.#start;
    const end = start + this.#filled;
    // The system may carry out writes in any order, so a second one to the same place waits for the first.
    const earlier = Array.from(this.#underWay).filter((write) => write.start < end && start < write.end);
    const write: Write = { start, end, done: Promise.resolve() };
    write.done = this.#run(write, buffer, earlier);
    this.#underWay.add(write);
  }

  async #run(write: Write, buffer: Buffer, earlier: readonly Write[]): Promise<void> {
    try {
      for (const { done } of earlier) await done;
      for (let position = write.start; position < write.end && !this.#failed; ) {
        const { bytesWritten } = await this.#handle.write(
          buffer,
          position - write.start,
          write.end - position,
          position,
        );
        position += bytesWritten;
      }
    } catch (error) {
      if (!this.#failed) {
        this.#failed = true;
        this.#onError(error);
      }
    } finally {
      this.#underWay.delete(write);
      if (this.#idle.length < MAX_UNDER_WAY) this.#idle.push(buffer);
      this.#relief?.resolve();
      this.#relief = undefined;
    }
  }
}
