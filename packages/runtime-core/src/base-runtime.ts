import { type Duplex, Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import type { Availability } from './availability.ts';
import type { Cancellable } from './cancellable.ts';
import type { RuntimeCapabilities } from './capabilities.ts';
import { type ContainerId, formatContainerId } from './container-id.ts';
import type { ContainerReference } from './container-reference.ts';
import { type ContainerState, type ExitResult, isActive } from './container-state.ts';
import { ConflictError, type ErrorCode, isZlayerError, ZlayerError } from './errors.ts';
import type { EventOptions, RuntimeEvent } from './events.ts';
import type { BufferedExecOptions, ExecProcess, ExecResult, StreamingExecOptions, TerminalSize } from './exec.ts';
import type { ImageDetails, ImageSummary, PruneReport, PulledImage, PullOptions, PushOptions } from './images.ts';
import type { OverlayAttachKind, OverlayConfig, PublishedPort } from './network.ts';
import type { LogChunk, LogOptions, OutputChunk } from './output.ts';
import type { Platform } from './platform.ts';
import type {
  ContainerDetails,
  ContainerSummary,
  CreatedContainer,
  FileStatus,
  Runtime,
  WaitOptions,
} from './runtime.ts';
import { parseServiceSpec, type ServiceSpec, type ServiceSpecInput } from './service-spec.ts';
import type { StartReport } from './start-report.ts';
import type { ContainerStats, ProcessEntry } from './stats.ts';
import { refuseUnsupported } from './unsupported-places.ts';

/**
 * What every runtime has in common. The abstract members are what a runtime cannot be without; the others say `UNSUPPORTED`
 * until a runtime overrides them, or follow from the abstract ones.
 */
export abstract class BaseRuntime implements Runtime {
  abstract readonly name: string;
  abstract availability(): Promise<Availability>;
  abstract capabilities(): RuntimeCapabilities;

  abstract pullImage(reference: string, options?: PullOptions): Promise<PulledImage>;
  abstract createContainer(id: ContainerId, spec: ServiceSpecInput, options?: Cancellable): Promise<CreatedContainer>;
  abstract startContainer(container: ContainerReference, options?: Cancellable): Promise<StartReport>;
  abstract stopContainer(container: ContainerReference, options?: { timeoutMs?: number | undefined }): Promise<void>;
  abstract killContainer(container: ContainerReference, signal: string | number): Promise<void>;
  abstract removeContainer(container: ContainerReference, options?: { force?: boolean | undefined }): Promise<void>;
  abstract listContainers(): Promise<ContainerSummary[]>;
  abstract containerState(container: ContainerReference): Promise<ContainerState>;
  abstract inspectContainer(container: ContainerReference): Promise<ContainerDetails>;
  abstract waitContainer(container: ContainerReference, options?: WaitOptions): Promise<ExitResult>;
  abstract logsStream(container: ContainerReference, options?: LogOptions): AsyncIterable<LogChunk>;
  abstract attachContainer(container: ContainerReference, options?: Cancellable): AsyncIterable<OutputChunk>;
  abstract events(options?: EventOptions): AsyncIterable<RuntimeEvent>;
  abstract close(): Promise<void>;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async containerLogs(
    container: ContainerReference,
    { tail }: { tail?: number | undefined } = {},
  ): Promise<LogChunk[]> {
    const chunks: LogChunk[] = [];
    for await (const chunk of this.logsStream(container, { tail })) chunks.push(chunk);
    return chunks;
  }

  async pruneContainers({ signal }: Cancellable = {}): Promise<ContainerId[]> {
    const removed: ContainerId[] = [];
    for (const { id, instance, state } of await this.listContainers()) {
      signal?.throwIfAborted();
      if (isActive(state.status)) continue;
      try {
        await this.removeContainer({ ...id, instance });
        removed.push(id);
      } catch (error) {
        // It was started, or replaced, in between: it is not to be removed any more.
        if (!hasCode(error, 'CONFLICT')) throw error;
      }
    }
    return removed;
  }

  async getOrCreateContainer(
    { service, replica }: ContainerId,
    input: ServiceSpecInput,
    options: Cancellable = {},
  ): Promise<CreatedContainer> {
    const id = { service, replica };
    const spec = parseServiceSpec(input);
    const existing = await this.#withSpec(id, spec);
    if (existing) return existing;
    try {
      return await this.createContainer(id, input, options);
    } catch (error) {
      // Somebody was faster.
      const other = hasCode(error, 'ALREADY_EXISTS') ? await this.#withSpec(id, spec) : undefined;
      if (other) return other;
      throw error;
    }
  }
  listImages(): Promise<ImageSummary[]> {
    return this.unsupported('listImages');
  }
  inspectImage(_reference: string, _options?: { platform?: Platform | undefined }): Promise<ImageDetails> {
    return this.unsupported('inspectImage');
  }
  removeImage(_reference: string): Promise<void> {
    return this.unsupported('removeImage');
  }
  tagImage(_reference: string, _name: string): Promise<void> {
    return this.unsupported('tagImage');
  }
  pruneImages(_options?: Cancellable): Promise<PruneReport> {
    return this.unsupported('pruneImages');
  }
  saveImages(_references: readonly string[], _options?: Cancellable): Readable {
    return Readable.from(this.unsupportedStream('saveImages'));
  }
  loadImages(_archive: AsyncIterable<Uint8Array>, _options?: Cancellable): Promise<string[]> {
    return this.unsupported('loadImages');
  }
  pushImage(_reference: string, _options?: PushOptions): Promise<void> {
    return this.unsupported('pushImage');
  }
  pauseContainer(_container: ContainerReference): Promise<void> {
    return this.unsupported('pauseContainer');
  }
  unpauseContainer(_container: ContainerReference): Promise<void> {
    return this.unsupported('unpauseContainer');
  }
  renameContainer(_container: ContainerReference, _id: ContainerId): Promise<void> {
    return this.unsupported('renameContainer');
  }
  writeStdin(_container: ContainerReference, _data: Uint8Array, _options?: Cancellable): Promise<void> {
    return this.unsupported('writeStdin');
  }
  closeStdin(_container: ContainerReference): Promise<void> {
    return this.unsupported('closeStdin');
  }
  resizeTerminal(_container: ContainerReference, _size: TerminalSize): Promise<void> {
    return this.unsupported('resizeTerminal');
  }
  exec(
    _container: ContainerReference,
    _command: readonly string[],
    _options?: BufferedExecOptions,
  ): Promise<ExecResult> {
    return this.unsupported('exec');
  }
  execStream(
    _container: ContainerReference,
    _command: readonly string[],
    _options?: StreamingExecOptions,
  ): Promise<ExecProcess> {
    return this.unsupported('execStream');
  }
  connect(_container: ContainerReference, _port: number, _options?: Cancellable): Promise<Duplex> {
    return this.unsupported('connect');
  }
  getContainerStats(_container: ContainerReference): Promise<ContainerStats> {
    return this.unsupported('getContainerStats');
  }
  statsStream(
    _container: ContainerReference,
    _options?: Cancellable & { intervalMs?: number | undefined },
  ): AsyncIterable<ContainerStats> {
    return this.unsupportedStream('statsStream');
  }
  topContainer(_container: ContainerReference): Promise<ProcessEntry[]> {
    return this.unsupported('topContainer');
  }
  getContainerPid(_container: ContainerReference): Promise<number | undefined> {
    return this.unsupported('getContainerPid');
  }
  getContainerIp(_container: ContainerReference): Promise<string | undefined> {
    return this.unsupported('getContainerIp');
  }
  async getContainerPortOverride(container: ContainerReference): Promise<number | undefined> {
    // Few runtimes have such a port; what is not there is asked for in vain all the same.
    await this.containerState(container);
    return undefined;
  }
  portMappings(_container: ContainerReference): Promise<PublishedPort[]> {
    return this.unsupported('portMappings');
  }
  overlayAttachKind(): OverlayAttachKind | undefined {
    return undefined;
  }
  pushOverlayConfig(_container: ContainerReference, _config: OverlayConfig): Promise<void> {
    return this.unsupported('pushOverlayConfig');
  }
  archiveGet(_container: ContainerReference, _path: string, _options?: Cancellable): Promise<Readable> {
    return this.unsupported('archiveGet');
  }
  archivePut(
    _container: ContainerReference,
    _path: string,
    _archive: AsyncIterable<Uint8Array>,
    _options?: Cancellable,
  ): Promise<void> {
    return this.unsupported('archivePut');
  }
  archiveHead(_container: ContainerReference, _path: string): Promise<FileStatus> {
    return this.unsupported('archiveHead');
  }
  recover(): Promise<ContainerSummary[]> {
    return this.unsupported('recover');
  }

  /** The container of an id, if there is one. `CONFLICT` when it has another spec. */
  async #withSpec(id: ContainerId, spec: ServiceSpec): Promise<CreatedContainer | undefined> {
    let existing: ContainerDetails;
    try {
      existing = await this.inspectContainer(id);
    } catch (error) {
      if (hasCode(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
    if (isDeepStrictEqual(existing.spec, spec)) return { id: existing.id, instance: existing.instance };
    const name = formatContainerId(id);
    throw new ConflictError(`the container ${name} has another spec`, {
      subject: name,
      remedy: 'Remove it first, or use another id.',
    });
  }

  /** @throws ZlayerError `UNSUPPORTED` that names every place of a spec that this runtime would have to leave out. */
  protected refuseUnsupported(spec: ServiceSpec): void {
    refuseUnsupported({ name: this.name, capabilities: this.capabilities() }, spec);
  }

  protected unsupportedError(call: string): ZlayerError {
    return new ZlayerError('UNSUPPORTED', `the runtime ${this.name} does not support ${call}`, {
      subject: `${this.name}.${call}`,
      remedy: 'Look at capabilities() before calling, or use another runtime.',
    });
  }

  protected async unsupported(call: string): Promise<never> {
    throw this.unsupportedError(call);
  }

  protected async *unsupportedStream(call: string): AsyncGenerator<never, void> {
    yield this.unsupported(call);
  }
}

function hasCode(error: unknown, code: ErrorCode): boolean {
  return isZlayerError(error) && error.code === code;
}
