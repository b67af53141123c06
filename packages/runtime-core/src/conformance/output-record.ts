import type { OutputChunk } from '../output.ts';

/** Reads an attachment as it comes, and lets a test wait for what it is waiting for. */
export class OutputRecord {
  readonly chunks: OutputChunk[] = [];
  /** Resolves when the stream has ended. */
  readonly ended: Promise<void>;
  #arrival = Promise.withResolvers<void>();
  #over = false;

  constructor(stream: AsyncIterable<OutputChunk>) {
    this.ended = this.#read(stream);
    // A test that fails before it looks here has said enough.
    this.ended.catch(() => {});
  }

  bytes(stream: OutputChunk['stream']): Buffer {
    return Buffer.concat(this.chunks.filter((chunk) => chunk.stream === stream).map(({ data }) => data));
  }

  get stdout(): string {
    return this.bytes('stdout').toString();
  }

  get stderr(): string {
    return this.bytes('stderr').toString();
  }

  /** Resolves when stdout has this text in it. Fails when the output ends without. */
  async shows(text: string): Promise<void> {
    while (!this.stdout.includes(text)) await this.next();
  }

  /** Resolves when more has arrived. Fails when the output has ended. */
  async next(): Promise<void> {
    if (this.#over) throw new Error(`the output has ended: ${this.stdout.slice(-500)}`);
    await this.#arrival.promise;
  }

  async #read(stream: AsyncIterable<OutputChunk>): Promise<void> {
    try {
      for await (const chunk of stream) {
        this.chunks.push(chunk);
        this.#wake();
      }
    } finally {
      this.#over = true;
      this.#wake();
    }
  }

  #wake(): void {
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
  }
}
