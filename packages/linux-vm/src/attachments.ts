import type { Cancellable, OutputChunk } from '@zlayer/runtime-core';
import { OutputChannel } from './output-channel.ts';

/** Who reads a container's output as it comes. */
export class Attachments {
  readonly #channels = new Set<OutputChannel>();

  open({ signal }: Cancellable): AsyncIterable<OutputChunk> {
    const channel = new OutputChannel();
    if (signal?.aborted) channel.abort(signal.reason);
    else this.#channels.add(channel);
    signal?.addEventListener('abort', () => channel.abort(signal.reason), { once: true });
    void channel.drained.then(() => this.#channels.delete(channel));
    return channel;
  }

  /** Resolves when every reader has room for more. */
  async push(chunk: OutputChunk): Promise<void> {
    await Promise.all([...this.#channels].map((channel) => channel.push(chunk)));
  }

  /** What is still written is kept for the readers; nobody waits for them any more. */
  release(): void {
    for (const channel of this.#channels) channel.release();
  }

  /** The readers get what waits, and then the end. */
  end(): void {
    for (const channel of this.#channels) channel.end();
    this.#channels.clear();
  }
}
