import { type Duplex, Readable } from 'node:stream';
import type { SupervisorClient } from '@zlayer/host';
import type {
  BufferedExecOptions,
  Cancellable,
  ContainerReference,
  ExecProcess,
  ExecResult,
  StartReport,
  StreamingExecOptions,
} from '@zlayer/runtime-core';
import { runToEnd } from './buffered-exec.ts';
import { ForwardedCalls } from './forwarded-calls.ts';
import { piecesOf } from './pieces.ts';
import { remoteConnection } from './remote-connection.ts';
import { RemoteExec } from './remote-exec.ts';
import { remoteItems } from './remote-items.ts';
import type { Description, UploadName } from './runtime-protocol.ts';
import { fromWire, toWire } from './wire-value.ts';

/** A runtime of the supervisor's process, used over its socket. Closing it leaves everything as it is. */
export class SupervisedRuntime extends ForwardedCalls {
  /** The supervisor's runtime of a name. The connection belongs to it from now on. */
  static async open(client: SupervisorClient, name: string): Promise<SupervisedRuntime> {
    const description = fromWire(await client.request('describe', toWire({ runtime: name }))) as Description;
    return new SupervisedRuntime(client, name, description);
  }

  override saveImages(references: readonly string[], { signal }: Cancellable = {}): Readable {
    const items = remoteItems<Uint8Array>(this.requests, 'saveImages', [references, {}], { signal });
    return Readable.from(items, { objectMode: false });
  }
  override loadImages(archive: AsyncIterable<Uint8Array>, { signal }: Cancellable = {}): Promise<string[]> {
    return this.#upload('loadImages', [undefined, {}], archive, { signal });
  }

  override async startContainer(container: ContainerReference, { signal }: Cancellable = {}): Promise<StartReport> {
    const report = await this.call<StartReport>('startContainer', [container, { signal }]);
    if (!signal?.aborted) return report;
    // It was given up while the news of its success was on the way.
    await this.stopContainer(container, { timeoutMs: 0 });
    throw signal.reason;
  }

  override async writeStdin(
    container: ContainerReference,
    data: Uint8Array,
    { signal }: Cancellable = {},
  ): Promise<void> {
    const pieces = data.byteLength === 0 ? [data] : piecesOf(data);
    for (const piece of pieces) await this.call('writeStdin', [container, piece, { signal }]);
  }

  override async exec(
    container: ContainerReference,
    command: readonly string[],
    options: BufferedExecOptions = {},
  ): Promise<ExecResult> {
    const { env, cwd, user, signal } = options;
    if (!this.capabilities().exec.buffered) throw this.unsupportedError('exec');
    await using process = await RemoteExec.start(this.requests, [container, command, { env, cwd, user, signal }]);
    return await runToEnd(process, command, options);
  }
  override execStream(
    container: ContainerReference,
    command: readonly string[],
    options: StreamingExecOptions = {},
  ): Promise<ExecProcess> {
    return RemoteExec.start(this.requests, [container, command, options]);
  }
  override connect(container: ContainerReference, port: number, options: Cancellable = {}): Promise<Duplex> {
    return remoteConnection(this.requests, container, port, options);
  }

  override async archiveGet(
    container: ContainerReference,
    path: string,
    { signal }: Cancellable = {},
  ): Promise<Readable> {
    signal?.throwIfAborted();
    const opened = Promise.withResolvers<void>();
    const items = remoteItems<Uint8Array>(this.requests, 'archiveGet', [container, path, {}], {
      signal,
      onOpened: opened.resolve,
    });
    const stream = Readable.from(items, { objectMode: false });
    // Until it is open, an error is the call's and nobody else's.
    const fail = (error: Error): void => opened.reject(error);
    stream.once('error', fail);
    stream.read(0);
    await opened.promise;
    stream.off('error', fail);
    return stream;
  }
  override archivePut(
    container: ContainerReference,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    { signal }: Cancellable = {},
  ): Promise<void> {
    return this.#upload('archivePut', [container, path, undefined, {}], archive, { signal });
  }

  async #upload<T>(
    method: UploadName,
    args: unknown[],
    archive: AsyncIterable<Uint8Array>,
    { signal }: Cancellable,
  ): Promise<T> {
    signal?.throwIfAborted();
    const request = this.requests.open('upload', { method, args });
    const answer = this.requests.settled(request, { signal });
    answer.catch(() => {});
    let hasAnswer = false;
    const isAnswered = answer.then(
      () => {
        hasAnswer = true;
      },
      () => {
        hasAnswer = true;
      },
    );
    try {
      for await (const chunk of archive) {
        for (const piece of piecesOf(chunk)) {
          // An answer before the end means that nothing more is wanted.
          await Promise.race([this.requests.write(request.key, piece), isAnswered]);
        }
        if (hasAnswer) break;
      }
      await this.requests.control('end', request.key);
    } catch (error) {
      this.requests.tell('cancel', request.key);
      if (!hasAnswer) throw error;
    }
    return (await answer) as T;
  }
}
