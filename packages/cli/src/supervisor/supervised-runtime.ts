import { type Duplex, Readable } from 'node:stream';
import type { SupervisorClient } from '@zlayer/host';
import {
  type Availability,
  BaseRuntime,
  type BufferedExecOptions,
  type Cancellable,
  type ContainerDetails,
  type ContainerId,
  type ContainerReference,
  type ContainerState,
  type ContainerStats,
  type ContainerSummary,
  type CreatedContainer,
  type EventOptions,
  type ExecProcess,
  type ExecResult,
  type ExitResult,
  type FileStatus,
  type ImageDetails,
  type ImageSummary,
  type LogChunk,
  type LogOptions,
  type OutputChunk,
  type OverlayAttachKind,
  type OverlayConfig,
  type Platform,
  type ProcessEntry,
  type PruneReport,
  type PublishedPort,
  type PulledImage,
  type PullOptions,
  type PullProgress,
  type PushOptions,
  type RuntimeCapabilities,
  type RuntimeEvent,
  type ServiceSpecInput,
  type StartReport,
  type StreamingExecOptions,
  type TerminalSize,
  type WaitOptions,
} from '@zlayer/runtime-core';
import { runToEnd } from './buffered-exec.ts';
import { piecesOf } from './pieces.ts';
import { remoteConnection } from './remote-connection.ts';
import { RemoteExec } from './remote-exec.ts';
import { remoteItems } from './remote-items.ts';
import { RemoteRequests } from './remote-requests.ts';
import type { CallName, Description, UploadName } from './runtime-protocol.ts';
import { fromWire, toWire } from './wire-value.ts';

type Progress = { onProgress?: ((progress: PullProgress) => void) | undefined };

/** A runtime of the supervisor's process, used over its socket. Closing it leaves everything as it is. */
export class SupervisedRuntime extends BaseRuntime {
  readonly name: string;
  readonly #client: SupervisorClient;
  readonly #description: Description;
  readonly #requests: RemoteRequests;

  private constructor(client: SupervisorClient, name: string, description: Description) {
    super();
    this.name = description.name;
    this.#client = client;
    this.#description = description;
    this.#requests = new RemoteRequests(client, name);
  }

  /** The supervisor's runtime of a name. The connection belongs to it from now on. */
  static async open(client: SupervisorClient, name: string): Promise<SupervisedRuntime> {
    const description = fromWire(await client.request('describe', toWire({ runtime: name }))) as Description;
    return new SupervisedRuntime(client, name, description);
  }

  capabilities(): RuntimeCapabilities {
    return this.#description.capabilities;
  }
  override overlayAttachKind(): OverlayAttachKind | undefined {
    return this.#description.overlay as OverlayAttachKind | undefined;
  }
  async close(): Promise<void> {
    this.#client.close();
    await this.#client.closed;
  }

  availability(): Promise<Availability> {
    return this.#call('availability', []);
  }
  pullImage(reference: string, { signal, onProgress, ...options }: PullOptions = {}): Promise<PulledImage> {
    return this.#call('pullImage', [reference, options], { signal, onProgress });
  }
  override listImages(): Promise<ImageSummary[]> {
    return this.#call('listImages', []);
  }
  override inspectImage(reference: string, options: { platform?: Platform | undefined } = {}): Promise<ImageDetails> {
    return this.#call('inspectImage', [reference, options]);
  }
  override removeImage(reference: string): Promise<void> {
    return this.#call('removeImage', [reference]);
  }
  override tagImage(reference: string, name: string): Promise<void> {
    return this.#call('tagImage', [reference, name]);
  }
  override pruneImages({ signal }: Cancellable = {}): Promise<PruneReport> {
    return this.#call('pruneImages', [{}], { signal });
  }
  override saveImages(references: readonly string[], { signal }: Cancellable = {}): Readable {
    const items = remoteItems<Uint8Array>(this.#requests, 'saveImages', [references, {}], { signal });
    return Readable.from(items, { objectMode: false });
  }
  override loadImages(archive: AsyncIterable<Uint8Array>, { signal }: Cancellable = {}): Promise<string[]> {
    return this.#upload('loadImages', [undefined, {}], archive, { signal });
  }
  override pushImage(reference: string, { signal, onProgress, ...options }: PushOptions = {}): Promise<void> {
    return this.#call('pushImage', [reference, options], { signal, onProgress });
  }

  createContainer(id: ContainerId, spec: ServiceSpecInput, { signal }: Cancellable = {}): Promise<CreatedContainer> {
    return this.#call('createContainer', [id, spec, {}], { signal });
  }
  override getOrCreateContainer(
    id: ContainerId,
    spec: ServiceSpecInput,
    { signal }: Cancellable = {},
  ): Promise<CreatedContainer> {
    return this.#call('getOrCreateContainer', [id, spec, {}], { signal });
  }
  async startContainer(container: ContainerReference, { signal }: Cancellable = {}): Promise<StartReport> {
    const report = await this.#call<StartReport>('startContainer', [container, {}], { signal });
    if (!signal?.aborted) return report;
    // It was given up while the news of its success was on the way.
    await this.stopContainer(container, { timeoutMs: 0 });
    throw signal.reason;
  }
  stopContainer(container: ContainerReference, options: { timeoutMs?: number | undefined } = {}): Promise<void> {
    return this.#call('stopContainer', [container, options]);
  }
  killContainer(container: ContainerReference, signal: string | number): Promise<void> {
    return this.#call('killContainer', [container, signal]);
  }
  removeContainer(container: ContainerReference, options: { force?: boolean | undefined } = {}): Promise<void> {
    return this.#call('removeContainer', [container, options]);
  }
  override pauseContainer(container: ContainerReference): Promise<void> {
    return this.#call('pauseContainer', [container]);
  }
  override unpauseContainer(container: ContainerReference): Promise<void> {
    return this.#call('unpauseContainer', [container]);
  }
  override renameContainer(container: ContainerReference, id: ContainerId): Promise<void> {
    return this.#call('renameContainer', [container, id]);
  }
  listContainers(): Promise<ContainerSummary[]> {
    return this.#call('listContainers', []);
  }
  override pruneContainers({ signal }: Cancellable = {}): Promise<ContainerId[]> {
    return this.#call('pruneContainers', [{}], { signal });
  }
  containerState(container: ContainerReference): Promise<ContainerState> {
    return this.#call('containerState', [container]);
  }
  inspectContainer(container: ContainerReference): Promise<ContainerDetails> {
    return this.#call('inspectContainer', [container]);
  }
  waitContainer(container: ContainerReference, { signal, ...options }: WaitOptions = {}): Promise<ExitResult> {
    return this.#call('waitContainer', [container, options], { signal });
  }

  logsStream(container: ContainerReference, { signal, ...options }: LogOptions = {}): AsyncIterable<LogChunk> {
    return remoteItems(this.#requests, 'logsStream', [container, options], { signal });
  }
  attachContainer(container: ContainerReference, { signal }: Cancellable = {}): AsyncIterable<OutputChunk> {
    return remoteItems(this.#requests, 'attachContainer', [container, {}], { signal });
  }
  override async writeStdin(
    container: ContainerReference,
    data: Uint8Array,
    { signal }: Cancellable = {},
  ): Promise<void> {
    const pieces = data.byteLength === 0 ? [data] : piecesOf(data);
    for (const piece of pieces) await this.#call('writeStdin', [container, piece, {}], { signal });
  }
  override closeStdin(container: ContainerReference): Promise<void> {
    return this.#call('closeStdin', [container]);
  }
  override resizeTerminal(container: ContainerReference, size: TerminalSize): Promise<void> {
    return this.#call('resizeTerminal', [container, size]);
  }

  override async exec(
    container: ContainerReference,
    command: readonly string[],
    options: BufferedExecOptions = {},
  ): Promise<ExecResult> {
    const { env, cwd, user, signal } = options;
    if (!this.capabilities().exec.buffered) throw this.unsupportedError('exec');
    await using process = await RemoteExec.start(this.#requests, [container, command, { env, cwd, user, signal }]);
    return await runToEnd(process, command, options);
  }
  override execStream(
    container: ContainerReference,
    command: readonly string[],
    options: StreamingExecOptions = {},
  ): Promise<ExecProcess> {
    return RemoteExec.start(this.#requests, [container, command, options]);
  }
  override connect(container: ContainerReference, port: number, options: Cancellable = {}): Promise<Duplex> {
    return remoteConnection(this.#requests, container, port, options);
  }

  override getContainerStats(container: ContainerReference): Promise<ContainerStats> {
    return this.#call('getContainerStats', [container]);
  }
  override statsStream(
    container: ContainerReference,
    { signal, ...options }: Cancellable & { intervalMs?: number | undefined } = {},
  ): AsyncIterable<ContainerStats> {
    return remoteItems(this.#requests, 'statsStream', [container, options], { signal });
  }
  override topContainer(container: ContainerReference): Promise<ProcessEntry[]> {
    return this.#call('topContainer', [container]);
  }
  override getContainerPid(container: ContainerReference): Promise<number | undefined> {
    return this.#call('getContainerPid', [container]);
  }
  override getContainerIp(container: ContainerReference): Promise<string | undefined> {
    return this.#call('getContainerIp', [container]);
  }
  override getContainerPortOverride(container: ContainerReference): Promise<number | undefined> {
    return this.#call('getContainerPortOverride', [container]);
  }
  override portMappings(container: ContainerReference): Promise<PublishedPort[]> {
    return this.#call('portMappings', [container]);
  }
  override pushOverlayConfig(container: ContainerReference, config: OverlayConfig): Promise<void> {
    return this.#call('pushOverlayConfig', [container, config]);
  }

  override async archiveGet(
    container: ContainerReference,
    path: string,
    { signal }: Cancellable = {},
  ): Promise<Readable> {
    signal?.throwIfAborted();
    const opened = Promise.withResolvers<void>();
    const items = remoteItems<Uint8Array>(this.#requests, 'archiveGet', [container, path, {}], {
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
  override archiveHead(container: ContainerReference, path: string): Promise<FileStatus> {
    return this.#call('archiveHead', [container, path]);
  }
  events({ signal, ...options }: EventOptions = {}): AsyncIterable<RuntimeEvent> {
    return remoteItems(this.#requests, 'events', [options], { signal });
  }
  override recover(): Promise<ContainerSummary[]> {
    return this.#call('recover', []);
  }

  async #call<T>(method: CallName, args: unknown[], { signal, onProgress }: Cancellable & Progress = {}): Promise<T> {
    signal?.throwIfAborted();
    const request = this.#requests.open('call', { method, args }, (event) => onProgress?.(event as PullProgress));
    return (await this.#requests.settled(request, { signal })) as T;
  }

  async #upload<T>(
    method: UploadName,
    args: unknown[],
    archive: AsyncIterable<Uint8Array>,
    { signal }: Cancellable,
  ): Promise<T> {
    signal?.throwIfAborted();
    const request = this.#requests.open('upload', { method, args });
    const answer = this.#requests.settled(request, { signal });
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
          await Promise.race([this.#requests.write(request.key, piece), isAnswered]);
        }
        if (hasAnswer) break;
      }
      await this.#requests.control('end', request.key);
    } catch (error) {
      this.#requests.tell('cancel', request.key);
      if (!hasAnswer) throw error;
    }
    return (await answer) as T;
  }
}
