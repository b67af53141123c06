import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { containerDirectory, dataDirectory, type VmDriver } from '@zlayer/host';
import type { StoredImage } from '@zlayer/oci-pull';
import {
  type Availability,
  type Cancellable,
  type ContainerId,
  type ContainerState,
  type ContainerSummary,
  containerIdSchema,
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
  type Runtime,
  type ServiceSpecInput,
  type StartReport,
  signalNumber,
  ZlayerError,
} from '@zlayer/runtime-core';
import { Container } from './container.ts';
import { removeAbandoned } from './container-record.ts';
import { ImageLibrary } from './image-library.ts';
import { launchContainer } from './launch-container.ts';

const DEFAULT_STOP_SIGNAL = 'SIGTERM';
const DEFAULT_STOP_TIMEOUT_MS = 10_000;
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
export class LinuxVmRuntime implements Runtime {
  readonly name: string;
  readonly #options: LinuxVmRuntimeOptions;
  readonly #dataDir: string;
  readonly #images: ImageLibrary;
  readonly #containers = new Map<string, Container>();

  constructor(options: LinuxVmRuntimeOptions) {
    this.name = options.name;
    this.#options = options;
    this.#dataDir = dataDirectory({ option: options.dataDir });
    this.#images = new ImageLibrary({ directory: this.#dataDir, insecureRegistries: options.insecureRegistries });
  }

  availability(): Promise<Availability> {
    return this.#options.driver.availability();
  }

  async pullImage(reference: string, options: PullOptions = {}): Promise<PulledImage> {
    const platform = options.platform ?? hostPlatform();
    const image = await this.#images.pull(reference, { ...options, platform });
    return { reference: image.reference, digest: image.digest, platform, size: image.sizes.total };
  }

  async createContainer(id: ContainerId, input: ServiceSpecInput, options: Cancellable = {}): Promise<void> {
    checkId(id);
    const spec = parseServiceSpec(input);
    const name = formatContainerId(id);
    if (this.#containers.has(name)) throw alreadyExists(name);
    const platform = platformOf(spec, hostPlatform());
    const image = await this.#images.pull(spec.image, { ...options, policy: spec.pullPolicy, platform });
    const argv = mergeCommand({ entrypoint: image.config.entrypoint, command: image.config.cmd }, spec.command);
    const { driver, cacheDir, startTimeoutMs = DEFAULT_START_TIMEOUT_MS } = this.#options;
    const directory = containerDirectory(this.#dataDir, this.name, id);
    await mkdir(dirname(directory), { recursive: true, mode: 0o700 });
    await removeAbandoned(driver, directory);
    const container = await Container.create(
      {
        id,
        spec,
        image: { reference: image.reference, digest: image.digest },
        stopSignal: stopSignalOf(spec.stopSignal, image),
        launch: (place) =>
          launchContainer({
            ...place,
            driver,
            spec,
            argv,
            image,
            platform,
            images: this.#images,
            cacheDir,
            startTimeoutMs,
          }),
      },
      directory,
    );
    this.#containers.set(name, container);
  }

  async startContainer(id: ContainerId, options: Cancellable = {}): Promise<StartReport> {
    return this.#get(id).start(options);
  }

  async stopContainer(
    id: ContainerId,
    { timeoutMs = DEFAULT_STOP_TIMEOUT_MS }: { timeoutMs?: number | undefined } = {},
  ) {
    await this.#find(id)?.stop(timeoutMs);
  }

  async killContainer(id: ContainerId, signal: string | number): Promise<void> {
    await this.#get(id).kill(signal);
  }

  async removeContainer(id: ContainerId, { force = false }: { force?: boolean | undefined } = {}): Promise<void> {
    const container = this.#find(id);
    if (!container) return;
    await container.remove(force);
    this.#containers.delete(formatContainerId(id));
  }

  async containerState(id: ContainerId): Promise<ContainerState> {
    return this.#get(id).state;
  }

  async listContainers(): Promise<ContainerSummary[]> {
    return [...this.#containers.values()].map(({ id, image, state }) => ({ id, image, state }));
  }

  async waitContainer(id: ContainerId, options: Cancellable = {}): Promise<ExitResult> {
    return this.#get(id).wait(options);
  }

  attachContainer(id: ContainerId, options: Cancellable = {}): AsyncIterable<OutputChunk> {
    return this.#get(id).attach(options);
  }

  logsStream(id: ContainerId, options: LogOptions = {}): AsyncIterable<LogChunk> {
    return this.#get(id).logs(options);
  }

  /** Ends every container of this runtime at once, with SIGKILL. Their records and logs stay on disk. */
  async close(): Promise<void> {
    await Promise.all([...this.#containers.values()].map((container) => container.stop(0)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #find(id: ContainerId): Container | undefined {
    checkId(id);
    return this.#containers.get(formatContainerId(id));
  }

  #get(id: ContainerId): Container {
    const container = this.#find(id);
    if (container) return container;
    const name = formatContainerId(id);
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
