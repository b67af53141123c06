import { type Duplex, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Availability } from '../availability.ts';
import { BaseRuntime } from '../base-runtime.ts';
import type { Cancellable } from '../cancellable.ts';
import type { RuntimeCapabilities } from '../capabilities.ts';
import { mergeCommand } from '../command.ts';
import { type ContainerId, checkContainerId, formatContainerId } from '../container-id.ts';
import type { ContainerReference } from '../container-reference.ts';
import type { ContainerState, ExitResult } from '../container-state.ts';
import { deferErrors } from '../defer-errors.ts';
import { ZlayerError } from '../errors.ts';
import type { EventOptions, RuntimeEvent } from '../events.ts';
import type { BufferedExecOptions, ExecProcess, ExecResult, StreamingExecOptions, TerminalSize } from '../exec.ts';
import type { ImageDetails, ImageSummary, PruneReport, PulledImage, PullOptions, PushOptions } from '../images.ts';
import type { PublishedPort } from '../network.ts';
import type { LogChunk, LogOptions, OutputChunk } from '../output.ts';
import { parsePlatform } from '../platform.ts';
import type { ContainerDetails, ContainerSummary, CreatedContainer, FileStatus, WaitOptions } from '../runtime.ts';
import { parseServiceSpec, platformOf, type ServiceSpecInput } from '../service-spec.ts';
import { signalNumber } from '../signals.ts';
import type { StartReport } from '../start-report.ts';
import type { ContainerStats, ProcessEntry } from '../stats.ts';
import { statsUntilEnd } from '../stats-until-end.ts';
import { parseUser } from '../user.ts';
import { archiveOf, headOf, unpackInto } from './fake-archive.ts';
import { type FakeCapability, fakeCapabilities } from './fake-capabilities.ts';
import { FakeContainer, type FakeOwner } from './fake-container.ts';
import { FakeEventHistory } from './fake-event-history.ts';
import { FakeExecProcess, runToEnd } from './fake-exec.ts';
import type { FakeHost } from './fake-host.ts';
import type { FakeImage } from './fake-image.ts';
import type { FakeImageStore } from './fake-image-store.ts';
import { connectTo } from './fake-ports.ts';
import { FakeState } from './fake-state.ts';

const DEFAULT_MAX_OUTPUT = 64 * 1024 ** 2;

/** What a {@link FakeRuntime} is made of. */
export interface FakeRuntimeOptions {
  /** Default: `fake`. */
  name?: string | undefined;
  /** What can be pulled, by reference. A reference is found only as it is written here. */
  images: Readonly<Record<string, FakeImage>>;
  /** Capabilities to do without, to see how a program copes with `UNSUPPORTED`. Default: none. */
  without?: readonly FakeCapability[] | undefined;
  /** Default: available. */
  availability?: Availability | undefined;
  /**
   * What it keeps, to share it with a runtime that comes later. Default: its own; then nothing can be left to anybody, and
   * `keep` and `recover` are not declared.
   */
  state?: FakeState | undefined;
  /** Real sockets and directories for published ports and bind mounts. Default: none, and neither is declared. */
  host?: FakeHost | undefined;
  /** The most memory that a container can have; one that asks for more is told so by its start. Default: no limit. */
  maxMemoryBytes?: number | undefined;
}

/**
 * A runtime in memory, for tests of programs that use a `Runtime`. Its workloads are functions (see `FakeProgram`),
 * with signals, standard streams, files, back-pressure and exit codes as real ones have; by itself it starts no process,
 * opens no socket and writes no file. It fulfils the contract as far as it declares, which the conformance suite proves.
 *
 * Nothing isolates its programs, and the only resource that is limited is the memory that they say they use.
 */
export class FakeRuntime extends BaseRuntime {
  readonly name: string;
  readonly #availability: Availability;
  readonly #without: ReadonlySet<FakeCapability>;
  readonly #images: FakeImageStore;
  readonly #containers = new Map<string, FakeContainer>();
  readonly #events = new FakeEventHistory();

  readonly #state: FakeState;
  readonly #shared: boolean;
  readonly #host: FakeHost;
  readonly #maxMemoryBytes: number;

  constructor(options: FakeRuntimeOptions) {
    super();
    const { name = 'fake', images, without = [], availability = { available: true }, state, host = {} } = options;
    this.name = name;
    this.#availability = availability;
    this.#state = state ?? new FakeState();
    this.#shared = state !== undefined;
    this.#host = host;
    this.#maxMemoryBytes = options.maxMemoryBytes ?? Number.POSITIVE_INFINITY;
    this.#without = new Set([
      ...without,
      ...(state ? [] : (['containers.keep', 'containers.recover'] as const)),
      ...(host.listen ? [] : (['network.publish'] as const)),
      ...(host.listenAt ? [] : (['network.sockets'] as const)),
      ...(host.mount ? [] : (['storage.bind'] as const)),
    ]);
    this.#images = this.#state.images(images);
  }

  async availability(): Promise<Availability> {
    return this.#availability;
  }

  capabilities(): RuntimeCapabilities {
    return fakeCapabilities(this.#without);
  }

  async pullImage(reference: string, options: PullOptions = {}): Promise<PulledImage> {
    const { digest, platform, size } = this.#images.pull(reference, options).summary;
    return { reference, digest, platform, size };
  }

  override async listImages(): Promise<ImageSummary[]> {
    this.#needs('images.list', 'listImages');
    return this.#images.list();
  }

  override async inspectImage(reference: string): Promise<ImageDetails> {
    this.#needs('images.list', 'inspectImage');
    return this.#images.details(reference);
  }

  override async removeImage(reference: string): Promise<void> {
    this.#needs('images.remove', 'removeImage');
    const user = [...this.#containers.values()].find(({ spec }) => spec.image === reference);
    if (user) {
      throw new ZlayerError('CONFLICT', `the image ${reference} is used by the container ${user.name}`, {
        subject: reference,
        remedy: 'Remove the container first.',
      });
    }
    this.#images.remove(reference);
  }

  override async tagImage(reference: string, name: string): Promise<void> {
    this.#needs('images.tag', 'tagImage');
    this.#images.tag(reference, name);
  }

  override async pruneImages({ signal }: Cancellable = {}): Promise<PruneReport> {
    this.#needs('images.prune', 'pruneImages');
    signal?.throwIfAborted();
    const used = new Set([...this.#containers.values()].map(({ image }) => image.summary.digest));
    return this.#images.prune(({ summary }) => used.has(summary.digest));
  }

  override saveImages(references: readonly string[], { signal }: Cancellable = {}): Readable {
    const archive = async function* (this: FakeRuntime): AsyncGenerator<Uint8Array, void> {
      this.#needs('images.archive', 'saveImages');
      signal?.throwIfAborted();
      yield this.#images.save(references);
    };
    return Readable.from(archive.call(this), { objectMode: false });
  }

  override async loadImages(archive: AsyncIterable<Uint8Array>, { signal }: Cancellable = {}): Promise<string[]> {
    this.#needs('images.archive', 'loadImages');
    signal?.throwIfAborted();
    const bytes = await buffer(archive);
    signal?.throwIfAborted();
    return this.#images.load(bytes);
  }

  override async pushImage(reference: string, { signal }: PushOptions = {}): Promise<void> {
    this.#needs('images.push', 'pushImage');
    signal?.throwIfAborted();
    this.#images.push(reference);
  }

  async createContainer(
    id: ContainerId,
    input: ServiceSpecInput,
    { signal }: Cancellable = {},
  ): Promise<CreatedContainer> {
    checkContainerId(id);
    const spec = parseServiceSpec(input);
    this.refuseUnsupported(spec);
    if (this.#state.names.has(formatContainerId(id))) throw alreadyExists(id);
    const platform = platformOf(spec, parsePlatform(process.arch));
    const image = this.#images.pull(spec.image, { policy: spec.pullPolicy, platform, signal });
    const { service, replica } = id;
    const container = new FakeContainer({
      id: { service, replica },
      spec,
      image,
      argv: mergeCommand(image.image, spec.command),
      state: this.#state,
      host: this.#host,
      maxMemoryBytes: this.#maxMemoryBytes,
      owner: this.#owner,
    });
    this.#containers.set(container.name, container);
    this.#state.names.add(container.name);
    return { id: container.id, instance: container.instance };
  }

  async startContainer(container: ContainerReference, options: Cancellable = {}): Promise<StartReport> {
    return this.#get(container).start(options);
  }

  async stopContainer(
    container: ContainerReference,
    { timeoutMs }: { timeoutMs?: number | undefined } = {},
  ): Promise<void> {
    await this.#find(container)?.stop(timeoutMs);
  }

  async killContainer(container: ContainerReference, signal: string | number): Promise<void> {
    this.#get(container).kill(signalNumber(signal));
  }

  async removeContainer(
    reference: ContainerReference,
    { force = false }: { force?: boolean | undefined } = {},
  ): Promise<void> {
    const container = this.#find(reference);
    await container?.remove(force, () => {
      this.#containers.delete(container.name);
      this.#state.names.delete(container.name);
    });
  }

  override async pauseContainer(container: ContainerReference): Promise<void> {
    this.#needs('containers.pause', 'pauseContainer');
    await this.#get(container).pause();
  }

  override async unpauseContainer(container: ContainerReference): Promise<void> {
    this.#needs('containers.pause', 'unpauseContainer');
    await this.#get(container).unpause();
  }

  override async renameContainer(reference: ContainerReference, id: ContainerId): Promise<void> {
    this.#needs('containers.rename', 'renameContainer');
    checkContainerId(id);
    const container = this.#get(reference);
    await container.rename(() => {
      const name = formatContainerId(id);
      if (this.#state.names.has(name)) throw alreadyExists(id);
      this.#containers.delete(container.name);
      this.#state.names.delete(container.name);
      this.#containers.set(name, container);
      this.#state.names.add(name);
      return { service: id.service, replica: id.replica };
    });
  }

  async listContainers(): Promise<ContainerSummary[]> {
    return [...this.#containers.values()].map(({ id, instance, spec, state }) => ({
      id,
      instance,
      image: spec.image,
      state,
    }));
  }

  async containerState(container: ContainerReference): Promise<ContainerState> {
    return this.#get(container).state;
  }

  async inspectContainer(container: ContainerReference): Promise<ContainerDetails> {
    return this.#get(container).details();
  }

  async waitContainer(reference: ContainerReference, options: WaitOptions = {}): Promise<ExitResult> {
    options.signal?.throwIfAborted();
    if (options.condition !== 'removed') return this.#get(reference).wait(options);
    checkContainerId({ service: reference.service, replica: reference.replica });
    const found = this.#containers.get(formatContainerId(reference));
    const isMeant = reference.instance === undefined || found?.instance === reference.instance;
    if (found && isMeant) return found.wait(options);
    return { reason: 'runtime-error', exitCode: undefined, message: `${formatContainerId(reference)} is gone` };
  }

  logsStream(reference: ContainerReference, options: LogOptions = {}): AsyncIterable<LogChunk> {
    return deferErrors(() => {
      const container = this.#get(reference);
      const hasEnded = (): boolean => {
        const { status } = container.state;
        return status === 'exited' || status === 'failed' || this.#containers.get(container.name) !== container;
      };
      return container.log.read(options, hasEnded);
    });
  }

  attachContainer(container: ContainerReference, options: Cancellable = {}): AsyncIterable<OutputChunk> {
    return deferErrors(() => this.#get(container).attach(options));
  }

  override async resizeTerminal(container: ContainerReference, size: TerminalSize): Promise<void> {
    this.#needs('containers.tty', 'resizeTerminal');
    const found = this.#get(container);
    if (!found.spec.tty) throw this.unsupportedError('resizeTerminal of a container without a terminal');
    found.resize(size);
  }

  override async writeStdin(container: ContainerReference, data: Uint8Array, options: Cancellable = {}): Promise<void> {
    this.#needs('containers.stdin', 'writeStdin');
    options.signal?.throwIfAborted();
    await this.#get(container).writeStdin(data, options);
  }

  override async closeStdin(container: ContainerReference): Promise<void> {
    this.#needs('containers.stdin', 'closeStdin');
    this.#get(container).closeStdin();
  }

  override async exec(
    reference: ContainerReference,
    command: readonly string[],
    options: BufferedExecOptions = {},
  ): Promise<ExecResult> {
    this.#needs('exec.buffered', 'exec');
    const container = this.#get(reference);
    this.#checkExec(command, options, 'exec');
    const { input = '', maxOutputBytes: limit = DEFAULT_MAX_OUTPUT, signal } = options;
    return runToEnd((output) => container.exec(command, options, output), { input: Buffer.from(input), limit, signal });
  }

  override async execStream(
    reference: ContainerReference,
    command: readonly string[],
    options: StreamingExecOptions = {},
  ): Promise<ExecProcess> {
    this.#needs('exec.streaming', 'execStream');
    if (options.tty) this.#needs('exec.tty', 'execStream');
    const container = this.#get(reference);
    this.#checkExec(command, options, 'execStream');
    return new FakeExecProcess((output) => container.exec(command, options, output), options.signal, {
      resize: () => this.unsupportedError('resize'),
      detach: this.capabilities().exec.detach ? undefined : () => this.unsupportedError('detach'),
    });
  }

  override async connect(container: ContainerReference, port: number, { signal }: Cancellable = {}): Promise<Duplex> {
    this.#needs('network.connect', 'connect');
    signal?.throwIfAborted();
    const listener = this.#get(container).listener(port);
    const socket = listener && connectTo(listener, port);
    if (socket) return socket;
    throw new ZlayerError('NETWORK', `nobody listens on port ${port} of ${formatContainerId(container)}`, {
      subject: `${formatContainerId(container)}:${port}`,
    });
  }

  override async getContainerStats(container: ContainerReference): Promise<ContainerStats> {
    this.#needs('containers.stats', 'getContainerStats');
    return this.#get(container).stats();
  }

  override async *statsStream(
    reference: ContainerReference,
    options: Cancellable & { intervalMs?: number | undefined } = {},
  ): AsyncGenerator<ContainerStats, void> {
    this.#needs('containers.stats', 'statsStream');
    options.signal?.throwIfAborted();
    const container = this.#get(reference);
    const measured = {
      measure: async () => container.stats(),
      state: async () => container.state,
      nextEnd: (signal: AbortSignal) => container.wait({ condition: 'next-exit', signal }),
    };
    yield* statsUntilEnd(measured, options);
  }

  override async topContainer(container: ContainerReference): Promise<ProcessEntry[]> {
    this.#needs('containers.top', 'topContainer');
    return this.#get(container).top();
  }

  override async getContainerPid(container: ContainerReference): Promise<number | undefined> {
    this.#get(container);
    return undefined;
  }

  override async getContainerPortOverride(container: ContainerReference): Promise<number | undefined> {
    this.#get(container);
    return undefined;
  }

  override async portMappings(container: ContainerReference): Promise<PublishedPort[]> {
    this.#needs('network.publish', 'portMappings');
    return this.#get(container).ports;
  }

  override async archiveGet(container: ContainerReference, path: string, options: Cancellable = {}): Promise<Readable> {
    this.#needs('containers.archive', 'archiveGet');
    options.signal?.throwIfAborted();
    return Readable.from([archiveOf(this.#get(container).files, path)], { objectMode: false });
  }

  override async archivePut(
    container: ContainerReference,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options: Cancellable = {},
  ): Promise<void> {
    this.#needs('containers.archive', 'archivePut');
    options.signal?.throwIfAborted();
    await unpackInto(this.#get(container).files, path, archive);
  }

  override async archiveHead(container: ContainerReference, path: string): Promise<FileStatus> {
    this.#needs('containers.archive', 'archiveHead');
    return headOf(this.#get(container).files, path);
  }

  override async recover(): Promise<ContainerSummary[]> {
    this.#needs('containers.recover', 'recover');
    const found = [...this.#state.left];
    this.#state.left.clear();
    for (const container of found) {
      this.#containers.set(container.name, container);
      container.adopt(this.#owner);
    }
    const names = new Set(found.map(({ name }) => name));
    return (await this.listContainers()).filter(({ id }) => names.has(formatContainerId(id)));
  }

  events(options: EventOptions = {}): AsyncIterable<RuntimeEvent> {
    return this.#events.read(options);
  }

  async close(): Promise<void> {
    const all = [...this.#containers.values()];
    const kept = (container: FakeContainer): boolean => this.#shared && container.spec.lifecycle.onOwnerExit === 'keep';
    await Promise.all(all.filter((container) => !kept(container)).map((container) => container.stop(0)));
    if (this.#shared) {
      for (const container of this.#containers.values()) {
        container.adopt(NOBODY);
        this.#state.left.add(container);
      }
      this.#containers.clear();
    }
    this.#events.close();
  }

  get #owner(): FakeOwner {
    return {
      report: (event) => this.#events.emit(event),
      deleteOnExit: (ended) => void this.removeContainer({ ...ended.id, instance: ended.instance }).catch(() => {}),
    };
  }

  #find(reference: ContainerReference): FakeContainer | undefined {
    const { service, replica, instance } = reference;
    checkContainerId({ service, replica });
    const name = formatContainerId(reference);
    const container = this.#containers.get(name);
    if (container && instance !== undefined && container.instance !== instance) {
      throw new ZlayerError('CONFLICT', `the container ${name} was replaced by another of its name`, {
        subject: name,
        remedy: 'Look it up again with inspectContainer.',
      });
    }
    return container;
  }

  #get(reference: ContainerReference): FakeContainer {
    const container = this.#find(reference);
    if (container) return container;
    const name = formatContainerId(reference);
    throw new ZlayerError('NOT_FOUND', `there is no container ${name}`, {
      subject: name,
      remedy: 'Create it first.',
    });
  }

  #needs(capability: FakeCapability, call: string): void {
    if (this.#without.has(capability)) throw this.unsupportedError(call);
  }

  #checkUser(user: string | undefined, call: string): void {
    if (user === undefined) return;
    const { user: principal, group } = parseUser(user);
    if ('name' in principal || (group && 'name' in group)) this.#needs('users.names', call);
  }

  #checkExec(command: readonly string[], { user }: { user?: string | undefined }, call: string): void {
    if (command.length === 0) {
      throw new ZlayerError('INVALID_SPEC', 'there is no command to run: it is empty', {
        remedy: 'Give a program and its arguments.',
      });
    }
    this.#checkUser(user, call);
  }
}

/** Has a container whose runtime was closed and that no other one has taken over. */
const NOBODY: FakeOwner = { report: () => {}, deleteOnExit: () => {} };

function alreadyExists(id: ContainerId): ZlayerError {
  const name = formatContainerId(id);
  return new ZlayerError('ALREADY_EXISTS', `the container ${name} exists already`, {
    subject: name,
    remedy: 'Remove it first, or use another id.',
  });
}
