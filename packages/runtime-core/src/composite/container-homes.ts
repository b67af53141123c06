import { type ContainerId, containerIdSchema, formatContainerId } from '../container-id.ts';
import { InvalidSpecError } from '../errors.ts';
import type { ContainerSummary, Runtime } from '../runtime.ts';
import { askAll } from './ask.ts';

/** Knows in which runtime each container lives: from its creation, or from the lists of the runtimes. */
export class ContainerHomes {
  readonly #runtimes: readonly Runtime[];
  readonly #homes = new Map<string, Runtime>();
  /** Names of which a container is just being made, and when that is over. */
  readonly #claims = new Map<string, Promise<void>>();
  #listing: Promise<unknown> | undefined;

  constructor(runtimes: readonly Runtime[]) {
    this.#runtimes = runtimes;
  }

  /** What is known without asking anybody. */
  known(id: ContainerId): Runtime | undefined {
    const name = nameOf(id);
    return this.#claims.has(name) ? undefined : this.#homes.get(name);
  }

  /** The runtime of a container, also of one that is just being made or that somebody else has made. */
  async find(id: ContainerId): Promise<Runtime | undefined> {
    const name = nameOf(id);
    for (let claim = this.#claims.get(name); claim; claim = this.#claims.get(name)) await claim;
    return this.#homes.get(name) ?? this.#look(name);
  }

  /** The runtime that has a container of this id now, for the holder of the {@link claim}. */
  async verify(id: ContainerId): Promise<Runtime | undefined> {
    const name = nameOf(id);
    await this.#listing?.catch(() => {});
    await this.#relist();
    return this.#homes.get(name);
  }

  keep(id: ContainerId, runtime: Runtime): void {
    this.#homes.set(nameOf(id), runtime);
  }

  forget(id: ContainerId, runtime: Runtime): void {
    const name = nameOf(id);
    if (this.#homes.get(name) === runtime) this.#homes.delete(name);
  }

  /** Takes over what a runtime has listed; the first runtime that has an id keeps it. */
  learn(runtime: Runtime, containers: readonly ContainerSummary[]): void {
    for (const { id } of containers) {
      const name = formatContainerId(id);
      if (!this.#homes.has(name)) this.#homes.set(name, runtime);
    }
  }

  /** Does work on some ids alone: other claims of them, and whoever looks for them, wait. */
  claim<T>(ids: readonly ContainerId[], work: () => Promise<T>): Promise<T> {
    // Always in the same order, so that no two wait for each other.
    const names = [...new Set(ids.map(nameOf))].sort();
    return names.reduceRight<() => Promise<T>>((inner, name) => () => this.#claim(name, inner), work)();
  }

  /** Lists the containers of all runtimes, and forgets those that are gone. */
  list(): Promise<ContainerSummary[][]> {
    const before = new Map(this.#homes);
    return askAll(this.#runtimes, async (runtime) => {
      const containers = await runtime.listContainers();
      const names = new Set(containers.map(({ id }) => formatContainerId(id)));
      for (const [name, home] of before) {
        if (home === runtime && this.#homes.get(name) === runtime && !names.has(name)) this.#homes.delete(name);
      }
      this.learn(runtime, containers);
      return containers;
    });
  }

  async #look(name: string): Promise<Runtime | undefined> {
    await this.#listing?.catch(() => {});
    const found = this.#homes.get(name);
    if (found) return found;
    try {
      await this.#relist();
    } catch (error) {
      // A runtime that could not be asked does not matter when another one has the container.
      if (!this.#homes.has(name)) throw error;
    }
    return this.#homes.get(name);
  }

  /** Whoever waits for a list shares it: those who came while another was under way, which may be too old for them. */
  #relist(): Promise<unknown> {
    this.#listing ??= this.list().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  #claim<T>(name: string, work: () => Promise<T>): Promise<T> {
    const run = (this.#claims.get(name) ?? Promise.resolve()).then(work);
    const over = (): void => {
      if (this.#claims.get(name) === done) this.#claims.delete(name);
    };
    const done: Promise<void> = run.then(over, over);
    this.#claims.set(name, done);
    return run;
  }
}

function nameOf({ service, replica }: ContainerId): string {
  const result = containerIdSchema.safeParse({ service, replica });
  if (result.success) return formatContainerId(result.data);
  const problems = result.error.issues.map(({ message }) => message).join('; ');
  throw new InvalidSpecError(`${JSON.stringify({ service, replica })} is not a container id: ${problems}`);
}
