import type { QemuRuntime } from '@zlayer/qemu';
import type { Architecture, ContainerId, ServiceSpecInput } from '@zlayer/runtime-core';
import type { Shape } from './shape.ts';

/** A container that is removed at the end of its scope. */
export interface BenchContainer extends ContainerId, AsyncDisposable {}

/** Containers of one image, architecture and shape, each with an id of its own. */
export class BenchContainers {
  readonly runtime: QemuRuntime;
  readonly #common: ServiceSpecInput;
  #count = 0;

  constructor(runtime: QemuRuntime, image: string, architecture: Architecture, { cpus, memoryBytes }: Shape) {
    this.runtime = runtime;
    this.#common = { image, platform: `linux/${architecture}`, resources: { cpu: cpus, memory: memoryBytes } };
  }

  async create(args: string[], spec: Partial<ServiceSpecInput> = {}): Promise<BenchContainer> {
    const id = { service: 'bench', replica: this.#count++ };
    await this.runtime.createContainer(id, { ...this.#common, command: { args }, ...spec });
    return { ...id, [Symbol.asyncDispose]: () => this.runtime.removeContainer(id, { force: true }) };
  }

  async start(args: string[], spec: Partial<ServiceSpecInput> = {}): Promise<BenchContainer> {
    const container = await this.create(args, spec);
    try {
      await this.runtime.startContainer(container);
      return container;
    } catch (error) {
      await container[Symbol.asyncDispose]();
      throw error;
    }
  }
}
