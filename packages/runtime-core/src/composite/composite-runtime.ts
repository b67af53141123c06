import { type Duplex, Readable } from 'node:stream';
import type { Availability } from '../availability.ts';
import type { Cancellable } from '../cancellable.ts';
import type { RuntimeCapabilities } from '../capabilities.ts';
import { type ContainerId, formatContainerId } from '../container-id.ts';
import type { ContainerReference } from '../container-reference.ts';
import type { ContainerState, ExitResult } from '../container-state.ts';
import { AlreadyExistsError, InternalError, InvalidSpecError, NotFoundError } from '../errors.ts';
import type { EventOptions, RuntimeEvent } from '../events.ts';
import type { BufferedExecOptions, ExecProcess, ExecResult, StreamingExecOptions, TerminalSize } from '../exec.ts';
import type { ImageDetails, ImageSummary, PruneReport, PulledImage, PullOptions, PushOptions } from '../images.ts';
import type { OverlayAttachKind, OverlayConfig, PublishedPort } from '../network.ts';
import type { LogChunk, LogOptions, OutputChunk } from '../output.ts';
import { type Platform, parsePlatform } from '../platform.ts';
import type {
  ContainerDetails,
  ContainerSummary,
  CreatedContainer,
  FileStatus,
  Runtime,
  WaitOptions,
} from '../runtime.ts';
import { parseServiceSpec, type ServiceSpec, type ServiceSpecInput } from '../service-spec.ts';
import type { StartReport } from '../start-report.ts';
import type { ContainerStats, ProcessEntry } from '../stats.ts';
import { askAll, askFirst, askHolders } from './ask.ts';
import { ContainerHomes } from './container-homes.ts';
import { deferredStream } from './deferred-stream.ts';
import type { CompositeDelegate } from './delegate.ts';
import { isolationOf } from './isolation.ts';
import { mergeEvents } from './merge-events.ts';
import { availabilityOf, explain, type RouteRequest, route } from './routing.ts';
import { unitedCapabilities } from './united-capabilities.ts';

/** What a {@link CompositeRuntime} is made of. */
export interface CompositeRuntimeOptions {
  /** Default: `composite`. */
  name?: string | undefined;
  /** At least one, the preferred one first. */
  delegates: readonly CompositeDelegate[];
}

/**
 * Several runtimes as one. A new container goes to the first delegate that is available among
 *
 * 1. those that the spec's label `com.zlayer.isolation` names; with it there is no other choice,
 * 2. those that the image's label `com.zlayer.runtime` names, if the image is in a local store,
 * 3. the Linux VMs that run the spec's platform, or for macOS what runs that; with it there is no other choice either,
 * 4. those that run the image's platform in the same way, if the image is in a local store; one for macOS goes nowhere else,
 * 5. the Linux VMs.
 *
 * Every later call goes where the container lives, also when it was there before. Lists, prunes and events are those of
 * all delegates. A delegate that cannot do what is asked of it fails with its own `UNSUPPORTED`; one that is not
 * available, or cannot do such a thing at all, is left out of what is asked of all of them.
 */
export class CompositeRuntime implements Runtime {
  readonly name: string;
  readonly #delegates: readonly CompositeDelegate[];
  readonly #runtimes: readonly Runtime[];
  readonly #homes: ContainerHomes;

  /** @throws ZlayerError `INVALID_SPEC` when there is no delegate, or one runtime is two delegates. */
  constructor({ name = 'composite', delegates }: CompositeRuntimeOptions) {
    this.name = name;
    this.#delegates = [...delegates];
    this.#runtimes = this.#delegates.map(({ runtime }) => runtime);
    if (this.#runtimes.length === 0 || new Set(this.#runtimes).size < this.#runtimes.length) {
      throw new InvalidSpecError('a composite runtime needs at least one delegate, and each only once', {
        subject: name,
        remedy: 'Give each runtime once, with all the isolations that it answers to.',
      });
    }
    this.#homes = new ContainerHomes(this.#runtimes);
  }

  /** Available when at least one delegate is. */
  async availability(): Promise<Availability> {
    const all = await Promise.all(
      this.#delegates.map(async (delegate) => [delegate, await availabilityOf(delegate)] as const),
    );
    const reasons = all.flatMap(([delegate, it]) => (it.available ? [] : [[delegate, it] as const]));
    return reasons.length < all.length ? { available: true } : { available: false, ...explain(reasons) };
  }

  /** What at least one delegate can do. The one that a container lives in may do less: it says `UNSUPPORTED` then. */
  capabilities(): RuntimeCapabilities {
    return unitedCapabilities(this.#runtimes.map((runtime) => runtime.capabilities()));
  }

  /** Pulls the image into the delegate that would run it. */
  async pullImage(reference: string, options: PullOptions = {}): Promise<PulledImage> {
    const runtime = await this.#route({ image: reference, platform: options.platform }, options);
    return runtime.pullImage(reference, options);
  }

  /** The images of all delegates; one that several have under the same name is listed once. */
  async listImages(): Promise<ImageSummary[]> {
    const images = (await askAll(this.#runtimes, (runtime) => runtime.listImages())).flat();
    // The first one stays, as it is the preferred delegate's.
    return [
      ...new Map(images.reverse().map((image) => [`${image.digest} ${image.reference}`, image])).values(),
    ].reverse();
  }

  inspectImage(reference: string, options?: { platform?: Platform | undefined }): Promise<ImageDetails> {
    return askFirst(this.#runtimes, (runtime) => runtime.inspectImage(reference, options));
  }

  /** Removes the image from every delegate that has it. After a `CONFLICT` it may be gone from the others. */
  removeImage(reference: string): Promise<void> {
    return askHolders(this.#runtimes, (runtime) => runtime.removeImage(reference));
  }

  /** Tags the image in every delegate that has it. */
  tagImage(reference: string, name: string): Promise<void> {
    return askHolders(this.#runtimes, (runtime) => runtime.tagImage(reference, name));
  }

  async pruneImages(options?: Cancellable): Promise<PruneReport> {
    const reports = await askAll(this.#runtimes, (runtime) => runtime.pruneImages(options));
    return {
      removed: [...new Set(reports.flatMap(({ removed }) => removed))],
      reclaimed: reports.reduce((sum, { reclaimed }) => sum + reclaimed, 0),
    };
  }

  /** From the first delegate that has all the images. */
  saveImages(references: readonly string[], options?: Cancellable): Readable {
    const able = this.#runtimes.filter((runtime) => runtime.capabilities().images.archive);
    const save = async (runtime: Runtime): Promise<Readable> => {
      if (able.length > 0) for (const reference of references) await runtime.inspectImage(reference);
      return runtime.saveImages(references, options);
    };
    const chunks = async function* (runtimes: readonly Runtime[]): AsyncGenerator<Uint8Array, void> {
      yield* await askFirst(runtimes, save);
    };
    return Readable.from(chunks(able.length > 0 ? able : this.#runtimes), { objectMode: false });
  }

  /** Into the delegate that runs what nothing is known about. */
  async loadImages(archive: AsyncIterable<Uint8Array>, options: Cancellable = {}): Promise<string[]> {
    const linux = this.#delegates.filter(({ kind }) => kind === 'linux-vm');
    for (const delegate of linux) {
      options.signal?.throwIfAborted();
      if ((await availabilityOf(delegate)).available) return delegate.runtime.loadImages(archive, options);
    }
    // Says what there is to say about it.
    const preferred = linux[0] ?? this.#delegates[0];
    if (preferred === undefined) throw new InternalError('there is no delegate');
    return preferred.runtime.loadImages(archive, options);
  }

  pushImage(reference: string, options?: PushOptions): Promise<void> {
    return askFirst(this.#runtimes, (runtime) => runtime.pushImage(reference, options));
  }

  /** @throws also ZlayerError `UNAVAILABLE` when no delegate can run it, with the reason of each. */
  async createContainer(
    id: ContainerId,
    input: ServiceSpecInput,
    options: Cancellable = {},
  ): Promise<CreatedContainer> {
    const { spec, request } = read(input);
    return this.#homes.claim([id], async () => {
      if (await this.#homes.verify(id)) throw alreadyExists(id);
      return this.#create(id, request, options, (runtime) => runtime.createContainer(id, spec, options));
    });
  }

  async getOrCreateContainer(
    id: ContainerId,
    input: ServiceSpecInput,
    options: Cancellable = {},
  ): Promise<CreatedContainer> {
    const { spec, request } = read(input);
    return this.#homes.claim([id], async () => {
      const home = await this.#homes.verify(id);
      if (home) return home.getOrCreateContainer(id, spec, options);
      return this.#create(id, request, options, (runtime) => runtime.getOrCreateContainer(id, spec, options));
    });
  }

  startContainer(container: ContainerReference, options?: Cancellable): Promise<StartReport> {
    return this.#at(container, (runtime) => runtime.startContainer(container, options));
  }

  async stopContainer(container: ContainerReference, options?: { timeoutMs?: number | undefined }): Promise<void> {
    const runtime = this.#homes.known(container) ?? (await this.#homes.find(container));
    await runtime?.stopContainer(container, options);
  }

  killContainer(container: ContainerReference, signal: string | number): Promise<void> {
    return this.#at(container, (runtime) => runtime.killContainer(container, signal));
  }

  async removeContainer(container: ContainerReference, options?: { force?: boolean | undefined }): Promise<void> {
    const runtime = this.#homes.known(container) ?? (await this.#homes.find(container));
    if (!runtime) return;
    await runtime.removeContainer(container, options);
    this.#homes.forget(container, runtime);
  }

  pauseContainer(container: ContainerReference): Promise<void> {
    return this.#at(container, (runtime) => runtime.pauseContainer(container));
  }

  unpauseContainer(container: ContainerReference): Promise<void> {
    return this.#at(container, (runtime) => runtime.unpauseContainer(container));
  }

  /** `ALREADY_EXISTS` also when another delegate has a container of this id. */
  async renameContainer(container: ContainerReference, id: ContainerId): Promise<void> {
    await this.#homes.claim([container, id], async () => {
      const home = await this.#homes.verify(container);
      if (!home) throw notFound(container);
      const taken = await this.#homes.verify(id);
      if (taken && taken !== home) throw alreadyExists(id);
      await home.renameContainer(container, id);
      this.#homes.forget(container, home);
      this.#homes.keep(id, home);
    });
  }

  async listContainers(): Promise<ContainerSummary[]> {
    return (await this.#homes.list()).flat();
  }

  async pruneContainers(options?: Cancellable): Promise<ContainerId[]> {
    const removed = await askAll(this.#runtimes, async (runtime) => {
      const ids = await runtime.pruneContainers(options);
      for (const id of ids) this.#homes.forget(id, runtime);
      return ids;
    });
    return removed.flat();
  }

  containerState(container: ContainerReference): Promise<ContainerState> {
    return this.#at(container, (runtime) => runtime.containerState(container));
  }

  inspectContainer(container: ContainerReference): Promise<ContainerDetails> {
    return this.#at(container, (runtime) => runtime.inspectContainer(container));
  }

  async waitContainer(container: ContainerReference, options: WaitOptions = {}): Promise<ExitResult> {
    options.signal?.throwIfAborted();
    const runtime = this.#homes.known(container) ?? (await this.#homes.find(container));
    if (runtime) return runtime.waitContainer(container, options);
    const error = notFound(container);
    if (options.condition !== 'removed') throw error;
    return { reason: 'runtime-error', exitCode: undefined, message: error.message };
  }

  containerLogs(container: ContainerReference, options?: { tail?: number | undefined }): Promise<LogChunk[]> {
    return this.#at(container, (runtime) => runtime.containerLogs(container, options));
  }

  logsStream(container: ContainerReference, options?: LogOptions): AsyncIterable<LogChunk> {
    return this.#stream(container, (runtime) => runtime.logsStream(container, options));
  }

  attachContainer(container: ContainerReference, options?: Cancellable): AsyncIterable<OutputChunk> {
    return this.#stream(container, (runtime) => runtime.attachContainer(container, options));
  }

  writeStdin(container: ContainerReference, data: Uint8Array, options?: Cancellable): Promise<void> {
    return this.#at(container, (runtime) => runtime.writeStdin(container, data, options));
  }

  closeStdin(container: ContainerReference): Promise<void> {
    return this.#at(container, (runtime) => runtime.closeStdin(container));
  }

  resizeTerminal(container: ContainerReference, size: TerminalSize): Promise<void> {
    return this.#at(container, (runtime) => runtime.resizeTerminal(container, size));
  }

  exec(container: ContainerReference, command: readonly string[], options?: BufferedExecOptions): Promise<ExecResult> {
    return this.#at(container, (runtime) => runtime.exec(container, command, options));
  }

  execStream(
    container: ContainerReference,
    command: readonly string[],
    options?: StreamingExecOptions,
  ): Promise<ExecProcess> {
    return this.#at(container, (runtime) => runtime.execStream(container, command, options));
  }

  connect(container: ContainerReference, port: number, options?: Cancellable): Promise<Duplex> {
    return this.#at(container, (runtime) => runtime.connect(container, port, options));
  }

  getContainerStats(container: ContainerReference): Promise<ContainerStats> {
    return this.#at(container, (runtime) => runtime.getContainerStats(container));
  }

  statsStream(
    container: ContainerReference,
    options?: Cancellable & { intervalMs?: number | undefined },
  ): AsyncIterable<ContainerStats> {
    return this.#stream(container, (runtime) => runtime.statsStream(container, options));
  }

  topContainer(container: ContainerReference): Promise<ProcessEntry[]> {
    return this.#at(container, (runtime) => runtime.topContainer(container));
  }

  getContainerPid(container: ContainerReference): Promise<number | undefined> {
    return this.#at(container, (runtime) => runtime.getContainerPid(container));
  }

  getContainerIp(container: ContainerReference): Promise<string | undefined> {
    return this.#at(container, (runtime) => runtime.getContainerIp(container));
  }

  getContainerPortOverride(container: ContainerReference): Promise<number | undefined> {
    return this.#at(container, (runtime) => runtime.getContainerPortOverride(container));
  }

  portMappings(container: ContainerReference): Promise<PublishedPort[]> {
    return this.#at(container, (runtime) => runtime.portMappings(container));
  }

  /** That of the delegates which have one, if it is the same for all of them. */
  overlayAttachKind(): OverlayAttachKind | undefined {
    const kinds = new Set(this.#runtimes.flatMap((runtime) => runtime.overlayAttachKind() ?? []));
    return kinds.size === 1 ? [...kinds][0] : undefined;
  }

  pushOverlayConfig(container: ContainerReference, config: OverlayConfig): Promise<void> {
    return this.#at(container, (runtime) => runtime.pushOverlayConfig(container, config));
  }

  archiveGet(container: ContainerReference, path: string, options?: Cancellable): Promise<Readable> {
    return this.#at(container, (runtime) => runtime.archiveGet(container, path, options));
  }

  archivePut(
    container: ContainerReference,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options?: Cancellable,
  ): Promise<void> {
    return this.#at(container, (runtime) => runtime.archivePut(container, path, archive, options));
  }

  archiveHead(container: ContainerReference, path: string): Promise<FileStatus> {
    return this.#at(container, (runtime) => runtime.archiveHead(container, path));
  }

  /** The events of all delegates, those of one container in order. */
  events(options?: EventOptions): AsyncIterable<RuntimeEvent> {
    return mergeEvents(this.#runtimes, options);
  }

  async recover(): Promise<ContainerSummary[]> {
    const found = await askAll(this.#runtimes, async (runtime) => {
      const containers = await runtime.recover();
      this.#homes.learn(runtime, containers);
      return containers;
    });
    return found.flat();
  }

  /** Closes every delegate. @throws ZlayerError `INTERNAL` with an `AggregateError` as its cause when some fail. */
  async close(): Promise<void> {
    const results = await Promise.allSettled(this.#runtimes.map(async (runtime) => runtime.close()));
    const failures = results.flatMap((result, index) =>
      result.status === 'rejected' ? [{ name: this.#runtimes[index]?.name, reason: result.reason as unknown }] : [],
    );
    if (failures.length === 0) return;
    const names = failures.map(({ name }) => name).join(', ');
    throw new InternalError(`the runtime ${this.name} could not close ${names}`, {
      subject: names,
      cause: new AggregateError(failures.map(({ reason }) => reason)),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #route(request: RouteRequest, { signal }: Cancellable): Promise<Runtime> {
    signal?.throwIfAborted();
    const { runtime } = await route(this.#delegates, request);
    signal?.throwIfAborted();
    return runtime;
  }

  async #create(
    id: ContainerId,
    request: RouteRequest,
    options: Cancellable,
    create: (runtime: Runtime) => Promise<CreatedContainer>,
  ): Promise<CreatedContainer> {
    const runtime = await this.#route(request, options);
    const created = await create(runtime);
    this.#homes.keep(id, runtime);
    return created;
  }

  /** Calls the runtime of a container: at once when it is known, so that calls stay in the order in which they came. */
  async #at<T>(container: ContainerReference, call: (runtime: Runtime) => Promise<T>): Promise<T> {
    const runtime = this.#homes.known(container) ?? (await this.#homes.find(container));
    if (!runtime) throw notFound(container);
    return call(runtime);
  }

  #stream<T>(container: ContainerReference, open: (runtime: Runtime) => AsyncIterable<T>): AsyncIterable<T> {
    const runtime = this.#homes.known(container);
    return runtime ? open(runtime) : deferredStream(this.#at(container, async (found) => open(found)));
  }
}

/** What a spec says, read once: what was routed is what runs. */
function read(input: ServiceSpecInput): { spec: ServiceSpec; request: RouteRequest } {
  const spec = parseServiceSpec(input);
  const platform = spec.platform === undefined ? undefined : parsePlatform(spec.platform);
  return { spec, request: { image: spec.image, platform, isolation: isolationOf(spec.labels) } };
}

function notFound(id: ContainerId): Error {
  const name = formatContainerId(id);
  return new NotFoundError(`there is no container ${name}`, { subject: name, remedy: 'Create it first.' });
}

function alreadyExists(id: ContainerId): Error {
  const name = formatContainerId(id);
  return new AlreadyExistsError(`the container ${name} exists already`, {
    subject: name,
    remedy: 'Remove it first, or use another id.',
  });
}
