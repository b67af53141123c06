import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { containerDirectory, dataDirectory, type VmDriver } from '@zlayer/host';
import type { StoredImage } from '@zlayer/oci-pull';
import {
  type Availability,
  BaseRuntime,
  type Cancellable,
  type ContainerDetails,
  type ContainerId,
  type ContainerReference,
  type ContainerState,
  type ContainerSummary,
  type CreatedContainer,
  containerIdSchema,
  EventBroadcast,
  type ExitResult,
  formatContainerId,
  type LogChunk,
  type LogOptions,
  mergeCommand,
  type OutputChunk,
  type Platform,
  type PulledImage,
  type PullOptions,
  parsePlatform,
  parseServiceSpec,
  platformOf,
  pseudoPid,
  publishStart,
  type RuntimeCapabilities,
  type RuntimeEvent,
  type ServiceSpecInput,
  type StartReport,
  signalNumber,
  type WaitOptions,
  ZlayerError,
} from '@zlayer/runtime-core';
import { LINUX_VM_CAPABILITIES, refuseUnsupported } from './capabilities.ts';
import { Container } from './container.ts';
import { removeAbandoned } from './container-record.ts';
import { ImageLibrary } from './image-library.ts';
import { launchContainer } from './launch-container.ts';

const DEFAULT_STOP_SIGNAL = 'SIGTERM';
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
}

/** Runs each container as the only workload of a Linux virtual machine of its own, over any hypervisor. */
export class LinuxVmRuntime extends BaseRuntime {
  readonly name: string;
  readonly #options: LinuxVmRuntimeOptions;
  readonly #dataDir: string;
  readonly #images: ImageLibrary;
  readonly #containers = new Map<string, Container>();
  readonly #events = new EventBroadcast<RuntimeEvent>();

  constructor(options: LinuxVmRuntimeOptions) {
    super();
    this.name = options.name;
    this.#options = options;
    this.#dataDir = dataDirectory({ option: options.dataDir });
    this.#images = new ImageLibrary({ directory: this.#dataDir, insecureRegistries: options.insecureRegistries });
  }

  availability(): Promise<Availability> {
    return this.#options.driver.availability();
  }

  capabilities(): RuntimeCapabilities {
    return LINUX_VM_CAPABILITIES;
  }

  async pullImage(reference: string, options: PullOptions = {}): Promise<PulledImage> {
    const platform = options.platform ?? hostPlatform();
    const image = await this.#images.pull(reference, { ...options, platform });
    return { reference: image.reference, digest: image.digest, platform, size: image.sizes.total };
  }

  async createContainer(
    id: ContainerId,
    input: ServiceSpecInput,
    options: Cancellable = {},
  ): Promise<CreatedContainer> {
    checkId(id);
    const spec = parseServiceSpec(input);
    refuseUnsupported(this.name, spec);
    const name = formatContainerId(id);
    if (this.#containers.has(name)) throw alreadyExists(name);
    const platform = platformOf(spec, hostPlatform());
    const image = await this.#images.pull(spec.image, { ...options, policy: spec.pullPolicy, platform });
    const argv = mergeCommand({ entrypoint: image.config.entrypoint, command: image.config.cmd }, spec.command);
    const { driver, cacheDir, startTimeoutMs = DEFAULT_START_TIMEOUT_MS } = this.#options;
    const directory = containerDirectory(this.#dataDir, this.name, id);
    await mkdir(dirname(directory), { recursive: true, mode: 0o700 });
    await removeAbandoned(driver, directory);
    const images = this.#images;
    const container = await Container.create(
      {
        id,
        spec,
        image: { reference: image.reference, digest: image.digest },
        platform,
        stopSignal: stopSignalOf(spec.stopSignal, image),
        onEvent: (instance, event) => {
          if (event.type === 'removed') this.#containers.delete(name);
          this.#events.emit({ ...event, time: new Date(), container: { ...id, instance } });
          if (event.type !== 'exited' || !spec.lifecycle.deleteOnExit) return;
          // One that is started again at once is not to be removed any more.
          this.removeContainer({ ...id, instance }).catch(() => {});
        },
        launch: (place) =>
          launchContainer({ ...place, driver, spec, argv, image, platform, images, cacheDir, startTimeoutMs }),
      },
      directory,
    );
    this.#containers.set(name, container);
    return { id, instance: container.instance };
  }

  override async getOrCreateContainer(
    id: ContainerId,
    input: ServiceSpecInput,
    options: Cancellable = {},
  ): Promise<CreatedContainer> {
    const existing = this.#find(id);
    if (!existing) return this.createContainer(id, input, options);
    if (isDeepStrictEqual(existing.spec, parseServiceSpec(input))) return { id, instance: existing.instance };
    const name = formatContainerId(id);
    throw new ZlayerError('CONFLICT', `container ${name} exists with another spec`, {
      subject: name,
      remedy: 'Remove it first, or use another id.',
    });
  }

  async startContainer(container: ContainerReference, options: Cancellable = {}): Promise<StartReport> {
    const found = this.#get(container);
    const report = await found.start(options);
    publishStart({ ...report, runtime: this.name, container: { ...found.id, instance: found.instance } });
    return report;
  }

  async stopContainer(container: ContainerReference, options: { timeoutMs?: number | undefined } = {}): Promise<void> {
    const found = this.#find(container);
    await found?.stop(options.timeoutMs ?? found.spec.stopGracePeriod);
  }

  async killContainer(container: ContainerReference, signal: string | number): Promise<void> {
    await this.#get(container).kill(signal);
  }

  async removeContainer(container: ContainerReference, options: { force?: boolean | undefined } = {}): Promise<void> {
    await this.#find(container)?.remove(options.force ?? false);
  }

  override async pauseContainer(container: ContainerReference): Promise<void> {
    await this.#get(container).pause();
  }

  override async unpauseContainer(container: ContainerReference): Promise<void> {
    await this.#get(container).unpause();
  }

  async containerState(container: ContainerReference): Promise<ContainerState> {
    return this.#get(container).state;
  }

  async inspectContainer(container: ContainerReference): Promise<ContainerDetails> {
    return this.#get(container).details;
  }

  async listContainers(): Promise<ContainerSummary[]> {
    return [...this.#containers.values()].map(({ summary }) => summary);
  }

  async waitContainer(container: ContainerReference, options: WaitOptions = {}): Promise<ExitResult> {
    const found = options.condition === 'removed' ? this.#find(container) : this.#get(container);
    if (!found) return { reason: 'runtime-error', exitCode: undefined, message: 'there is no such container' };
    return found.wait(options);
  }

  attachContainer(container: ContainerReference, options: Cancellable = {}): AsyncIterable<OutputChunk> {
    return this.#get(container).attach(options);
  }

  logsStream(container: ContainerReference, options: LogOptions = {}): AsyncIterable<LogChunk> {
    return this.#get(container).logs(options);
  }

  override async writeStdin(container: ContainerReference, data: Uint8Array): Promise<void> {
    await this.#get(container).writeStdin(data);
  }

  override async closeStdin(container: ContainerReference): Promise<void> {
    await this.#get(container).closeStdin();
  }

  override async getContainerPid(container: ContainerReference): Promise<number | undefined> {
    return pseudoPid(this.#get(container).id);
  }

  events(options: Cancellable = {}): AsyncIterable<RuntimeEvent> {
    return this.#events.read(options);
  }

  /** Ends every container of this runtime at once, with SIGKILL. Their records and logs stay on disk. */
  async close(): Promise<void> {
    await Promise.all([...this.#containers.values()].map((container) => container.stop(0)));
    this.#events.close();
  }

  #find(reference: ContainerReference): Container | undefined {
    const { service, replica, instance } = reference;
    checkId({ service, replica });
    const found = this.#containers.get(formatContainerId(reference));
    if (!found || instance === undefined || found.instance === instance) return found;
    const name = formatContainerId(reference);
    throw new ZlayerError('CONFLICT', `container ${name} was replaced by another instance`, {
      subject: name,
      remedy: 'Look it up again.',
    });
  }

  #get(reference: ContainerReference): Container {
    const container = this.#find(reference);
    if (container) return container;
    const name = formatContainerId(reference);
    throw new ZlayerError('NOT_FOUND', `there is no container ${name}`, { subject: name, remedy: 'Create it first.' });
  }
}

function alreadyExists(name: string): ZlayerError {
  return new ZlayerError('ALREADY_EXISTS', `container ${name} exists already`, {
    subject: name,
    remedy: 'Remove it first, or use another id.',
  });
}

function checkId(id: ContainerId): void {
  const result = containerIdSchema.safeParse(id);
  if (result.success) return;
  const problems = result.error.issues.map(({ message }) => message).join('; ');
  throw new ZlayerError('INVALID_SPEC', `${JSON.stringify(id)} is not a container id: ${problems}`, {
    cause: result.error,
  });
}

function hostPlatform(): Platform {
  return parsePlatform(process.arch);
}

function stopSignalOf(signal: string | number | undefined, image: StoredImage): number {
  return signalNumber(signal ?? (image.config.stopSignal || DEFAULT_STOP_SIGNAL));
}
