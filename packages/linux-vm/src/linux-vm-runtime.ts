import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { dataDirectory, type VmDriver } from '@zlayer/host';
import {
  type Availability,
  BaseRuntime,
  type BufferedExecOptions,
  type Cancellable,
  ConflictError,
  type ContainerDetails,
  type ContainerId,
  type ContainerReference,
  type ContainerState,
  type ContainerStats,
  type ContainerSummary,
  type CreatedContainer,
  checkContainerId,
  deferErrors,
  type EventOptions,
  type ExecProcess,
  type ExecResult,
  type ExitResult,
  type FileStatus,
  formatContainerId,
  type ImageDetails,
  type ImageSummary,
  InvalidSpecError,
  isActive,
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
  type PushOptions,
  parseServiceSpec,
  platformOf,
  pseudoPid,
  publishStart,
  type RuntimeCapabilities,
  type RuntimeEvent,
  type ServiceSpecInput,
  type StartReport,
  type StreamingExecOptions,
  signalNumber,
  statsUntilEnd,
  type TerminalSize,
  type WaitOptions,
} from '@zlayer/runtime-core';
import { LINUX_VM_CAPABILITIES } from './capabilities.ts';
import { ClockKeeper } from './clock-keeper.ts';
import type { Container, ContainerEvent } from './container.ts';
import type { ContainerHandle } from './container-handle.ts';
import { alreadyExists, ContainerRegistry, notFound } from './container-registry.ts';
import type { Guest } from './guest.ts';
import { hostPlatform, ImageLibrary } from './image-library.ts';
import { RuntimeEvents } from './runtime-events.ts';
import { processOf } from './start-spec.ts';
import { VolumeStore } from './volume-store.ts';

const DEFAULT_START_TIMEOUT_MS = 60_000;

export interface LinuxVmRuntimeOptions {
  /** Name of the runtime, and of its directory below the data directory. */
  name: string;
  driver: VmDriver;
  /** Where images, containers and logs are kept. Default: `ZLAYER_DATA_DIR`, or the platform's convention. */
  dataDir?: string | undefined;
  /** Where guest kernels are kept. Default: `ZLAYER_CACHE_DIR`, or the platform's convention. */
  cacheDir?: string | undefined;
  /** Registries that are spoken to over plain HTTP; loopback addresses always are. */
  insecureRegistries?: readonly string[] | undefined;
  /** How long a guest may take to boot, and again to start its workload, in milliseconds. Default: 60 000. */
  startTimeoutMs?: number | undefined;
  /**
   * Whether the host reaches the addresses that its guests lease. Where it does not, `getContainerIp` is an overlay's
   * address or
   * 127.0.0.1, where the published ports are. Default: `false`.
   */
  reachesGuests?: boolean | undefined;
}

/** Runs each container as the only workload of a Linux virtual machine of its own, over any hypervisor. */
export class LinuxVmRuntime extends BaseRuntime {
  readonly name: string;
  readonly #options: LinuxVmRuntimeOptions;
  readonly #images: ImageLibrary;
  readonly #containers: ContainerRegistry;
  readonly #events: RuntimeEvents;
  readonly #clocks: ClockKeeper;
  /** Addresses in overlay networks, by instance. */
  readonly #overlays = new Map<string, string>();

  constructor(options: LinuxVmRuntimeOptions) {
    super();
    const { name, driver, cacheDir, insecureRegistries, startTimeoutMs = DEFAULT_START_TIMEOUT_MS } = options;
    const dataDir = dataDirectory({ option: options.dataDir });
    this.name = name;
    this.#events = new RuntimeEvents(join(dataDir, name, 'events'));
    this.#options = options;
    this.#images = new ImageLibrary({ directory: dataDir, insecureRegistries });
    const volumes = new VolumeStore(join(dataDir, 'volumes'));
    this.#containers = new ContainerRegistry({
      dataDir,
      runtime: name,
      means: { driver, images: this.#images, volumes, cacheDir, startTimeoutMs },
      onEvent: (container, event) => this.#report(container, event),
    });
    this.#clocks = new ClockKeeper(() => {
      for (const container of this.#containers.own) container.syncClock();
    });
  }

  availability(): Promise<Availability> {
    return this.#options.driver.availability();
  }

  capabilities(): RuntimeCapabilities {
    const { containers } = LINUX_VM_CAPABILITIES;
    const { keeps: keep = true, pauses: pause = true } = this.#options.driver;
    return { ...LINUX_VM_CAPABILITIES, containers: { ...containers, keep, pause } };
  }

  async pullImage(reference: string, options: PullOptions = {}): Promise<PulledImage> {
    const platform = options.platform ?? hostPlatform();
    const image = await this.#images.pull(reference, { ...options, platform });
    return { reference: image.reference, digest: image.digest, platform, size: image.sizes.total };
  }

  override async listImages(): Promise<ImageSummary[]> {
    return await this.#images.list();
  }

  override async inspectImage(
    reference: string,
    { platform }: { platform?: Platform | undefined } = {},
  ): Promise<ImageDetails> {
    return await this.#images.inspect(reference, platform);
  }

  override async removeImage(reference: string): Promise<void> {
    const { reference: name, digests } = await this.#images.meaningOf(reference);
    for (const { summary, imageDigest } of await this.#containers.list()) {
      if (!digests.has(imageDigest) || summary.image !== name) continue;
      const user = formatContainerId(summary.id);
      throw new ConflictError(`the image ${reference} is used by the container ${user}`, {
        subject: reference,
        remedy: 'Remove the container first.',
      });
    }
    await this.#images.remove(reference);
  }

  override async tagImage(reference: string, name: string): Promise<void> {
    await this.#images.tag(reference, name);
  }

  override async pruneImages(options: Cancellable = {}): Promise<PruneReport> {
    const inUse = (await this.#containers.list()).map(({ imageDigest }) => imageDigest);
    return await this.#images.prune(inUse, options);
  }

  override saveImages(references: readonly string[], options: Cancellable = {}): Readable {
    return this.#images.save(references, options);
  }

  override async loadImages(archive: AsyncIterable<Uint8Array>, options: Cancellable = {}): Promise<string[]> {
    return await this.#images.load(archive, options);
  }

  override async pushImage(reference: string, options: PushOptions = {}): Promise<void> {
    await this.#images.push(reference, options);
  }

  async createContainer(
    id: ContainerId,
    input: ServiceSpecInput,
    options: Cancellable = {},
  ): Promise<CreatedContainer> {
    checkContainerId(id);
    const spec = parseServiceSpec(input);
    this.refuseUnsupported(spec);
    if ((await this.#containers.find({ service: id.service, replica: id.replica })) !== undefined) {
      throw alreadyExists(id);
    }
    const platform = platformOf(spec, hostPlatform());
    const image = await this.#images.pull(spec.image, {
      ...{ policy: spec.pullPolicy, source: spec.sourcePolicy, platform, rootfs: spec.rootfs.type },
      signal: options.signal,
    });
    const { service, replica } = id;
    const container = await this.#containers.create(
      {
        id: { service, replica },
        instance: randomUUID(),
        image: { reference: image.reference, digest: image.digest },
        ...{ platform, spec, process: processOf(image, spec) },
        state: { status: 'pending' },
        ...{ run: '', createdAt: new Date(), ports: [], restarts: 0, failedRuns: 0, stopped: false },
        volumes: [...new Set(spec.storage.flatMap((mount) => (mount.type === 'named' ? [mount.name] : [])))],
      },
      image,
    );
    return { id: container.id, instance: container.instance };
  }

  async startContainer(container: ContainerReference, options: Cancellable = {}): Promise<StartReport> {
    this.#clocks.start();
    return await this.#on(container, async (found) => {
      const report = await found.start(options);
      publishStart({ ...report, runtime: this.name, container: { ...found.id, instance: found.instance } });
      return report;
    });
  }

  async stopContainer(container: ContainerReference, options: { timeoutMs?: number | undefined } = {}): Promise<void> {
    await this.#onAny(container, (found) => found.stop(options.timeoutMs ?? found.spec.stopGracePeriod));
  }

  async killContainer(container: ContainerReference, signal: string | number): Promise<void> {
    await this.#on(container, (found) => found.kill(signalNumber(signal)));
  }

  async removeContainer(container: ContainerReference, options: { force?: boolean | undefined } = {}): Promise<void> {
    await this.#onAny(container, (found) => found.remove(options.force ?? false));
  }

  override async pauseContainer(container: ContainerReference): Promise<void> {
    if (!this.capabilities().containers.pause) throw this.unsupportedError('pauseContainer');
    await this.#on(container, (found) => found.pause());
  }

  override async unpauseContainer(container: ContainerReference): Promise<void> {
    if (!this.capabilities().containers.pause) throw this.unsupportedError('unpauseContainer');
    await this.#on(container, (found) => found.unpause());
  }

  async containerState(container: ContainerReference): Promise<ContainerState> {
    return (await this.#get(container)).state;
  }

  async inspectContainer(container: ContainerReference): Promise<ContainerDetails> {
    return (await this.#get(container)).details;
  }

  async listContainers(): Promise<ContainerSummary[]> {
    return (await this.#containers.list()).map(({ summary }) => summary);
  }

  async waitContainer(container: ContainerReference, options: WaitOptions = {}): Promise<ExitResult> {
    options.signal?.throwIfAborted();
    if (options.condition !== 'removed') return await this.#on(container, (found) => found.wait(options));
    const found = await this.#containers.find({ service: container.service, replica: container.replica });
    // What was replaced under its id is gone as well.
    const isMeant = container.instance === undefined || found?.instance === container.instance;
    if (found && isMeant) return await found.wait(options);
    return { reason: 'runtime-error', exitCode: undefined, message: 'there is no such container' };
  }

  attachContainer(container: ContainerReference, options: Cancellable = {}): AsyncIterable<OutputChunk> {
    return this.#stream(container, (found) => found.attach(options));
  }

  logsStream(container: ContainerReference, options: LogOptions = {}): AsyncIterable<LogChunk> {
    return this.#stream(container, (found) => found.logs(options));
  }

  override async writeStdin(container: ContainerReference, data: Uint8Array, options: Cancellable = {}): Promise<void> {
    options.signal?.throwIfAborted();
    await this.#on(container, (found) => found.writeStdin(data, options));
  }

  override async closeStdin(container: ContainerReference): Promise<void> {
    await this.#on(container, (found) => found.closeStdin());
  }

  override async resizeTerminal(container: ContainerReference, size: TerminalSize): Promise<void> {
    await this.#on(container, async (found) => {
      if (!found.spec.tty) throw this.unsupportedError('resizeTerminal of a container without a terminal');
      await found.resize(size);
    });
  }

  override async exec(
    container: ContainerReference,
    command: readonly string[],
    options: BufferedExecOptions = {},
  ): Promise<ExecResult> {
    options.signal?.throwIfAborted();
    await this.#get(container);
    checkCommand(command);
    return await this.#inGuest(container, (guest) => guest.exec(command, options));
  }

  override async execStream(
    container: ContainerReference,
    command: readonly string[],
    options: StreamingExecOptions = {},
  ): Promise<ExecProcess> {
    options.signal?.throwIfAborted();
    const found = await this.#get(container);
    checkCommand(command);
    const [guest, done] = await found.guest();
    try {
      const process = await guest.execStream(command, options, () => this.unsupportedError('resize'));
      process.exit.then(done, done);
      return process;
    } catch (error) {
      done();
      throw error;
    }
  }

  override async connect(container: ContainerReference, port: number, options: Cancellable = {}): Promise<Duplex> {
    options.signal?.throwIfAborted();
    const [guest, done] = await (await this.#get(container)).guest();
    try {
      return (await guest.connect(port, options)).once('close', done);
    } catch (error) {
      done();
      throw error;
    }
  }

  override async getContainerStats(container: ContainerReference): Promise<ContainerStats> {
    return await this.#inGuest(container, (guest) => guest.stats());
  }

  override async *statsStream(
    container: ContainerReference,
    options: Cancellable & { intervalMs?: number | undefined } = {},
  ): AsyncGenerator<ContainerStats, void> {
    options.signal?.throwIfAborted();
    const found = await this.#get(container);
    const measured = {
      measure: () => this.getContainerStats(container),
      state: () => this.containerState(container),
      nextEnd: (signal: AbortSignal) => found.wait({ condition: 'next-exit', signal }),
    };
    yield* statsUntilEnd(measured, options);
  }

  override async topContainer(container: ContainerReference): Promise<ProcessEntry[]> {
    return await this.#inGuest(container, (guest) => guest.top());
  }

  override async getContainerPid(container: ContainerReference): Promise<number | undefined> {
    return pseudoPid((await this.#get(container)).id);
  }

  override async getContainerIp(container: ContainerReference): Promise<string | undefined> {
    const found = await this.#get(container);
    if (!isActive(found.state.status)) return undefined;
    const overlay = this.#overlays.get(found.instance);
    if (overlay !== undefined) return overlay;
    if (!this.#options.reachesGuests) return '127.0.0.1';
    // What the guest says of itself is newer than what its host has written down.
    return await this.#inGuest(
      container,
      async (guest) => (await guest.address()) ?? (await guest.machine.vm.address?.()) ?? '127.0.0.1',
    );
  }

  override async portMappings(container: ContainerReference): Promise<PublishedPort[]> {
    return [...(await this.#get(container)).ports];
  }

  override overlayAttachKind(): OverlayAttachKind | undefined {
    return this.capabilities().network.overlay ? 'in-guest-vsock' : undefined;
  }

  override async pushOverlayConfig(container: ContainerReference, config: OverlayConfig): Promise<void> {
    if (!this.capabilities().network.overlay) throw this.unsupportedError('pushOverlayConfig');
    const { instance } = await this.#get(container);
    await this.#inGuest(container, (guest) => guest.configureOverlay(config));
    this.#overlays.set(instance, config.overlayIp);
  }

  override async archiveGet(container: ContainerReference, path: string, options: Cancellable = {}): Promise<Readable> {
    options.signal?.throwIfAborted();
    return await this.#inGuest(container, (guest) => guest.archiveGet(absolute(path), options));
  }

  override async archivePut(
    container: ContainerReference,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options: Cancellable = {},
  ): Promise<void> {
    options.signal?.throwIfAborted();
    await this.#inGuest(container, (guest) => guest.archivePut(absolute(path), archive, options));
  }

  override async archiveHead(container: ContainerReference, path: string): Promise<FileStatus> {
    return await this.#inGuest(container, (guest) => guest.archiveHead(absolute(path)));
  }

  events(options: EventOptions = {}): AsyncIterable<RuntimeEvent> {
    return deferErrors(() => this.#events.read(options));
  }

  override async recover(): Promise<ContainerSummary[]> {
    const adopted = await this.#containers.adoptAll();
    this.#clocks.start();
    const summaries: ContainerSummary[] = [];
    for (const container of adopted) {
      if (container.spec.lifecycle.deleteOnExit && !container.isActive && container.state.status !== 'pending') {
        await container.remove(true);
        continue;
      }
      container.restartAfterRecovery();
      summaries.push(container.summary);
    }
    return summaries;
  }

  /**
   * Lets go of the containers of this runtime: what its spec says is kept runs on, everything else is ended at once,
   * with SIGKILL. Their records and logs stay on disk.
   */
  async close(): Promise<void> {
    this.#clocks[Symbol.dispose]();
    await this.#containers.close();
    await this.#events.close();
  }

  #report(container: Container, event: ContainerEvent): void {
    const { id, instance, spec } = container;
    if (event.type === 'removed') this.#containers.forget(container);
    if (event.type === 'exited') this.#overlays.delete(instance);
    this.#events.emit({ ...event, time: new Date(), container: { ...id, instance } });
    if (event.type !== 'exited' || !spec.lifecycle.deleteOnExit) return;
    // One that is started again at once is not to be removed any more.
    container.remove(false).catch(() => {});
  }

  /** Does something with a container, at once where it is one of this process: calls are carried out as they came. */
  async #on<T>(reference: ContainerReference, call: (container: ContainerHandle) => Promise<T>): Promise<T> {
    const own = this.#containers.findOwn(reference);
    return await call(own ?? (await this.#get(reference)));
  }

  /** The same, where there may be none. */
  async #onAny(reference: ContainerReference, call: (container: ContainerHandle) => Promise<void>): Promise<void> {
    const found = this.#containers.findOwn(reference) ?? (await this.#containers.find(reference));
    if (found) await call(found);
  }

  async #get(reference: ContainerReference): Promise<ContainerHandle> {
    const container = await this.#containers.find(reference);
    if (container) return container;
    throw notFound(reference);
  }

  /** A stream of a container: open from the call on where it is one of this process. */
  #stream<T>(reference: ContainerReference, open: (container: ContainerHandle) => AsyncIterable<T>): AsyncIterable<T> {
    return deferErrors(() => {
      const own = this.#containers.findOwn(reference);
      if (own) return open(own);
      const get = (): Promise<ContainerHandle> => this.#get(reference);
      return (async function* () {
        yield* open(await get());
      })();
    });
  }

  async #inGuest<T>(reference: ContainerReference, call: (guest: Guest) => Promise<T>): Promise<T> {
    const [guest, done] = await (await this.#get(reference)).guest();
    try {
      return await call(guest);
    } finally {
      done();
    }
  }
}

function checkCommand(command: readonly string[]): void {
  if (command.length > 0) return;
  throw new InvalidSpecError('there is no command to run: it is empty', {
    remedy: 'Give a program and its arguments.',
  });
}

function absolute(path: string): string {
  if (path.startsWith('/') && !path.includes('\0')) return path;
  throw new InvalidSpecError(`${JSON.stringify(path)} is no absolute path`, {
    subject: path,
    remedy: 'Begin it with a slash.',
  });
}
