import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { containerDirectory, findOwner, type OwnerRecord, Ownership, type Vm } from '@zlayer/host';
import type { StoredImage } from '@zlayer/oci-pull';
import {
  AlreadyExistsError,
  ConflictError,
  type ContainerId,
  type ContainerReference,
  checkContainerId,
  formatContainerId,
  isActive,
  isZlayerError,
  NotFoundError,
  parseContainerId,
  type ZlayerError,
} from '@zlayer/runtime-core';
import { adoptContainer, findMachine } from './adopt-container.ts';
import { Container, type ContainerOwner } from './container.ts';
import type { ContainerHandle } from './container-handle.ts';
import { type ContainerRecord, containerRecord } from './container-record.ts';
import { ForeignContainer } from './foreign-container.ts';
import { type OwnerCalls, OwnerSocket, removeTracesOf } from './owner-socket.ts';
import { summaryOf } from './recorded-container.ts';
import { withinRunningLimit } from './running-limit.ts';

export interface ContainerRegistryOptions {
  dataDir: string;
  /** Name of the runtime. */
  runtime: string;
  means: ContainerOwner['means'];
  onEvent: ContainerOwner['onEvent'];
}

/**
 * The containers of a runtime's directory: those of this process, those of others that live, and those that nobody owns
 * any more, which are adopted when they are asked for.
 */
export class ContainerRegistry {
  readonly #options: ContainerRegistryOptions;
  readonly #own = new Map<string, Container>();
  /** Names this registry as an owner. */
  readonly #name = randomUUID();
  readonly #loads = new Map<string, Promise<ContainerHandle | undefined>>();
  /** Machines of other processes, by directory: each is attached to once. */
  readonly #machines = new Map<string, Vm>();
  #socket: Promise<OwnerSocket> | undefined;
  #isClosed = false;

  constructor(options: ContainerRegistryOptions) {
    this.#options = options;
  }

  /** The containers of this process. */
  get own(): readonly Container[] {
    return [...this.#own.values()];
  }

  /** A container of this process, at once. */
  findOwn(reference: ContainerReference): Container | undefined {
    checkContainerId(reference);
    const found = this.#own.get(formatContainerId(reference));
    return found && checkInstance(found, reference);
  }

  /** The container of a reference; `undefined` when there is none. `CONFLICT` when it is another instance. */
  async find(reference: ContainerReference): Promise<ContainerHandle | undefined> {
    const own = this.findOwn(reference);
    if (own) return own;
    const found = await this.#load(this.#directoryOf(reference));
    return found && checkInstance(found, reference);
  }

  /** Puts a new container on record, of this process. `ALREADY_EXISTS` when there is one of its id. */
  async create(record: ContainerRecord, image: StoredImage): Promise<Container> {
    const directory = this.#directoryOf(record.id);
    await this.#listen();
    await mkdir(dirname(directory), { recursive: true, mode: 0o700 });
    const ownership = await this.#claimNew(directory, record.id);
    const container = new Container(this.#owner, { directory, ownership, record, image });
    this.#own.set(formatContainerId(record.id), container);
    try {
      await container.begin();
      return container;
    } catch (error) {
      this.forget(container);
      await rm(directory, { recursive: true, force: true });
      await ownership.release().catch(() => {});
      throw error;
    }
  }

  forget(container: Container): void {
    const name = formatContainerId(container.id);
    if (this.#own.get(name) === container) this.#own.delete(name);
  }

  /** Everything that is on record. What nobody owns is told as its record has it, unless its machine is gone. */
  async list(): Promise<Pick<ContainerHandle, 'summary' | 'imageDigest' | 'id'>[]> {
    const listed: Pick<ContainerHandle, 'summary' | 'imageDigest' | 'id'>[] = [...this.own];
    for (const directory of await this.#directories()) {
      const record = await containerRecord(directory)
        .read()
        .catch(() => undefined);
      if (record === undefined || this.#own.has(formatContainerId(record.id))) continue;
      const state = (await this.#isOrphan(directory, record))
        ? ({ status: 'failed', reason: 'its machine has ended, and nobody has looked after it yet' } as const)
        : record.state;
      listed.push({ id: record.id, summary: summaryOf({ ...record, state }), imageDigest: record.image.digest });
    }
    return listed;
  }

  /**
   * Adopts everything that nobody owns. What cannot be adopted is told as a warning of the process and left as it is.
   */
  async adoptAll(): Promise<Container[]> {
    const adopted: Container[] = [];
    for (const directory of await this.#directories()) {
      if (this.own.some((container) => container.directory === directory)) continue;
      try {
        const found = await this.#load(directory);
        if (found instanceof Container) adopted.push(found);
      } catch (error) {
        process.emitWarning(`cannot adopt ${directory}: ${(error as Error).message}`, 'ZlayerWarning');
      }
    }
    return adopted;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.own.map((container) => container.release()));
    this.#own.clear();
    await (await this.#socket?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }

  get #owner(): ContainerOwner {
    const { means, onEvent } = this.#options;
    return {
      ...{ means, onEvent },
      isRunning: (directory) => this.#isRunning(directory),
      admit: async ({ id }, begin, { signal }) => {
        const { maxRunning } = await means.driver.limits();
        await withinRunningLimit(
          {
            lockFile: join(this.#options.dataDir, this.#options.runtime, 'running.lock'),
            limit: maxRunning,
            list: async () => (await this.list()).map(({ summary }) => summary),
            ...{ id, signal },
          },
          begin,
        );
      },
    };
  }

  #directoryOf(id: ContainerId): string {
    const { dataDir, runtime } = this.#options;
    return containerDirectory(dataDir, runtime, { service: id.service, replica: id.replica });
  }

  async #directories(): Promise<string[]> {
    const folder = join(this.#options.dataDir, this.#options.runtime, 'containers');
    const names = await readdir(folder).catch(() => []);
    return names.filter(isContainerName).map((name) => join(folder, name));
  }

  /** One look-up of a directory at a time: two calls for one container are to find the same. */
  #load(directory: string): Promise<ContainerHandle | undefined> {
    const running = this.#loads.get(directory);
    if (running !== undefined) return running;
    const load = this.#look(directory).finally(() => this.#loads.delete(directory));
    this.#loads.set(directory, load);
    return load;
  }

  async #look(directory: string): Promise<ContainerHandle | undefined> {
    const own = this.own.find((container) => container.directory === directory);
    if (own) return own;
    const record = await containerRecord(directory).read();
    if (record === undefined) return undefined;
    const owner = await findOwner(directory);
    // It is being made by this very process.
    if (owner?.instance === this.#name) return this.own.find((container) => container.directory === directory);
    if (owner !== undefined || this.#isClosed) return this.#foreign(directory, record, owner ?? NOBODY);
    return await this.#adopt(directory);
  }

  async #adopt(directory: string): Promise<ContainerHandle | undefined> {
    await this.#listen();
    let ownership: Ownership;
    try {
      ownership = await Ownership.claim(directory, { instance: this.#name });
    } catch (error) {
      // Another process was faster, with the adoption or with the removal.
      if (isZlayerError(error) && error.code === 'NOT_FOUND') return undefined;
      const owner = isZlayerError(error) && error.code === 'CONFLICT' ? await findOwner(directory) : undefined;
      const record = owner && (await containerRecord(directory).read());
      if (!record || !owner) throw error;
      return this.#foreign(directory, record, owner);
    }
    try {
      if (ownership.previous !== undefined) await removeTracesOf(ownership.previous.instance).catch(() => {});
      // What the record says may have changed until the claim.
      const record = await containerRecord(directory).read();
      if (record === undefined) {
        await ownership.release();
        return undefined;
      }
      const container = await adoptContainer({ owner: this.#owner, directory, record, ownership });
      this.#own.set(formatContainerId(record.id), container);
      return container;
    } catch (error) {
      await ownership.release().catch(() => {});
      throw error;
    }
  }

  async #claimNew(directory: string, id: ContainerId): Promise<Ownership> {
    try {
      await mkdir(directory, { mode: 0o700 });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
      if (!(await this.#removeUnfinished(directory))) throw alreadyExists(id, cause);
      return await this.#claimNew(directory, id);
    }
    return await Ownership.claim(directory, { instance: this.#name });
  }

  /** A directory without a record whose maker is dead holds nothing. */
  async #removeUnfinished(directory: string): Promise<boolean> {
    if ((await containerRecord(directory).read()) !== undefined) return false;
    let ownership: Ownership;
    try {
      ownership = await Ownership.claim(directory, { instance: this.#name });
    } catch {
      return false;
    }
    const isUnfinished = (await containerRecord(directory).read()) === undefined && ownership.previous !== undefined;
    if (isUnfinished) await rm(directory, { recursive: true, force: true });
    if (ownership.previous !== undefined) await removeTracesOf(ownership.previous.instance).catch(() => {});
    await ownership.release().catch(() => {});
    return isUnfinished;
  }

  async #isOrphan(directory: string, { state }: ContainerRecord): Promise<boolean> {
    if (!isActive(state.status) || (await findOwner(directory)) !== undefined) return false;
    return !(await this.#isRunning(directory));
  }

  #foreign(directory: string, record: ContainerRecord, owner: OwnerRecord): ForeignContainer {
    return new ForeignContainer({ directory, record, owner, machine: () => this.#machine(directory) });
  }

  /** The machine that runs in a directory of nobody or of another process. */
  async #machine(directory: string): Promise<Vm | undefined> {
    const known = this.#machines.get(directory);
    if (known !== undefined && known.state !== 'stopped') return known;
    const vm = await findMachine(this.#options.means.driver, directory);
    if (vm === undefined || vm.state === 'stopped') return undefined;
    this.#machines.set(directory, vm);
    const forget = (): void => {
      if (this.#machines.get(directory) === vm) this.#machines.delete(directory);
    };
    vm.exited.then(forget, forget);
    return vm;
  }

  async #isRunning(directory: string): Promise<boolean> {
    return (await this.#machine(directory)) !== undefined;
  }

  /** Takes the requests of other processes, from the first container on. */
  async #listen(): Promise<void> {
    if (this.#isClosed) throw new ConflictError('the runtime is closed', { remedy: 'Make a new one.' });
    this.#socket ??= OwnerSocket.listen(this.#name, this.#calls);
    await this.#socket;
  }

  get #calls(): OwnerCalls {
    const get = (reference: ContainerReference): Container => {
      const container = this.findOwn(reference);
      if (container) return container;
      throw notFound(reference);
    };
    return {
      start: (container) => get(container).start({}),
      stop: (container, timeoutMs) => get(container).stop(timeoutMs),
      kill: (container, signal) => get(container).kill(signal),
      remove: (container, force) => get(container).remove(force),
      pause: (container) => get(container).pause(),
      unpause: (container) => get(container).unpause(),
      wait: (container, condition) => get(container).wait({ condition }),
      closeStdin: (container) => get(container).closeStdin(),
      resize: (container, size) => get(container).resize(size),
    };
  }
}

export function notFound(reference: ContainerReference): ZlayerError {
  const name = formatContainerId(reference);
  return new NotFoundError(`there is no container ${name}`, { subject: name, remedy: 'Create it first.' });
}

export function alreadyExists(id: ContainerId, cause?: unknown): ZlayerError {
  const name = formatContainerId(id);
  return new AlreadyExistsError(`container ${name} exists already`, {
    subject: name,
    remedy: 'Remove it first, or use another id.',
    cause,
  });
}

/** Stands for the owner where a runtime that is closed is asked. */
const NOBODY: OwnerRecord = { pid: 0, startTime: '', instance: 'closed', claimedAt: '' };

function checkInstance<T extends { readonly instance: string }>(found: T, reference: ContainerReference): T {
  if (reference.instance === undefined || found.instance === reference.instance) return found;
  const name = formatContainerId(reference);
  throw new ConflictError(`container ${name} was replaced by another instance`, {
    subject: name,
    remedy: 'Look it up again.',
  });
}

function isContainerName(name: string): boolean {
  try {
    parseContainerId(name);
    return true;
  } catch {
    return false;
  }
}
