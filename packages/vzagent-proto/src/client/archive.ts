import { Readable } from 'node:stream';
import type { MessageOf } from '../message.ts';
import { AgentError, failedError, outOfPlace } from './agent-error.ts';
import type { MessageConnection } from './message-connection.ts';

/** Most bytes in one frame. */
const MAX_PIECE = 64 * 1024;

/** A file of the container, as `stat` has it; times in microseconds since 1970. */
export type FileInfo = Omit<MessageOf<'FileInfo'>, 'type'>;

export function fileInfoOf({ type: _, ...info }: MessageOf<'FileInfo'>): FileInfo {
  return info;
}

/** The data behind the answer to `ArchiveGet`; destroying it closes the connection. */
export class ArchiveStream extends Readable {
  readonly #connection: MessageConnection;
  readonly #subject: string;
  #reading = false;

  constructor(connection: MessageConnection, subject: string) {
    super({ highWaterMark: MAX_PIECE });
    this.#connection = connection;
    this.#subject = subject;
  }

  override _read(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.#receive().catch((error) => this.destroy(error));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#connection.destroy(error ?? undefined);
    done(error);
  }

  async #receive(): Promise<void> {
    const { purpose } = this.#connection;
    for (;;) {
      const message = await this.#connection.answer();
      if (message.type === 'Failed') throw failedError(purpose, message, this.#subject);
      if (message.type === 'End') {
        this.push(null);
        return;
      }
      if (message.type !== 'Data') throw outOfPlace(purpose, message.type);
      if (message.data.length === 0 || this.push(message.data)) continue;
      this.#reading = false;
      return;
    }
  }
}

/**
 * Sends a tar stream behind `ArchivePut` and waits until it is unpacked. When the guest refuses it, no more is taken
 * from the source, which is closed; when the source fails, the connection is cut, and the guest keeps what it has
 * unpacked so far.
 */
export async function sendArchive(
  connection: MessageConnection,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  subject: string,
): Promise<void> {
  const { purpose } = connection;
  let isSent = false;
  let isAnswered = false;
  const answer = connection.answer().then((message) => {
    isAnswered = true;
    if (message.type === 'Failed') throw failedError(purpose, message, subject);
    if (message.type !== 'Done' || !isSent) throw outOfPlace(purpose, message.type);
  });
  const refused = answer.then(() => new Promise<never>(() => {}));
  refused.catch(() => {});
  const sending = (async () => {
    for await (const chunk of source) {
      if (!(chunk instanceof Uint8Array)) throw new AgentError('invalid', `${purpose}: the source gave no bytes`);
      for (let at = 0; at < chunk.length && !isAnswered; at += MAX_PIECE) {
        await connection.send({ type: 'Data', data: chunk.subarray(at, at + MAX_PIECE) });
      }
      if (isAnswered) return;
    }
    isSent = true;
    await connection.send({ type: 'End' });
  })();
  sending.catch(() => {});
  try {
    await Promise.race([sending, refused]);
    await answer;
  } catch (error) {
    connection.destroy(error);
    if ('destroy' in source && typeof source.destroy === 'function') source.destroy();
    throw error;
  }
}
