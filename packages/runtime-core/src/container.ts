import { randomUUID } from 'node:crypto';
import type { Cancellable } from './cancellable.ts';
import type { ContainerId } from './container-id.ts';
import type { ContainerInstance } from './container-reference.ts';
import type { ContainerState, ExitResult } from './container-state.ts';
import { NotFoundError } from './errors.ts';
import type { BufferedExecOptions, ExecProcess, ExecResult, StreamingExecOptions, TerminalSize } from './exec.ts';
import type { PublishedPort } from './network.ts';
import type { LogChunk, LogOptions, OutputChunk } from './output.ts';
import type { Runtime, WaitOptions } from './runtime.ts';
import type { ServiceSpecInput } from './service-spec.ts';

/** Options of {@link run}. */
export interface RunOptions extends Cancellable {
  /** Default: one that nobody else has. */
  id?: ContainerId | undefined;
}

/**
 * Creates and starts one container, for programs that want that and no orchestrator. Disposing of the handle
 * (`await using`) removes the container.
 *
 * @throws whatever `createContainer` and `startContainer` throw; no container is left then.
 */
export async function run(runtime: Runtime, spec: ServiceSpecInput, options: RunOptions = {}): Promise<Container> {
  const { signal, id = { service: `run-${randomUUID().slice(0, 12)}`, replica: 0 } } = options;
  const { instance } = await runtime.createContainer(id, spec, { signal });
  const reference = { ...id, instance };
  try {
    // Attached before the start, so that `output` has everything.
    const output = runtime.attachContainer(reference);
    await runtime.startContainer(reference, { signal });
    return new Container(runtime, reference, output);
  } catch (error) {
    // The failure to start is what the caller has to know.
    await runtime.removeContainer(reference, { force: true }).catch(() => {});
    throw error;
  }
}

/** One container that was started by {@link run}: every call is meant for this instance, never for a successor of its id. */
export class Container implements AsyncDisposable {
  readonly id: ContainerId;
  readonly instance: string;
  /**
   * Everything that the container writes, exactly and in order, until it has ended; read it once. A program that does not
   * want it should end the iteration at once (`output[Symbol.asyncIterator]().return?.()`): unread output slows the container.
   */
  readonly output: AsyncIterable<OutputChunk>;
  readonly #runtime: Runtime;

  constructor(runtime: Runtime, { service, replica, instance }: ContainerInstance, output: AsyncIterable<OutputChunk>) {
    this.#runtime = runtime;
    this.id = { service, replica };
    this.instance = instance;
    this.output = output;
  }

  /** What names this very container in calls of the runtime. */
  get reference(): ContainerInstance {
    return { ...this.id, instance: this.instance };
  }

  /** Where it is in its life. */
  state(): Promise<ContainerState> {
    return this.#runtime.containerState(this.reference);
  }

  /** How it ended, when it has. */
  wait(options?: WaitOptions): Promise<ExitResult> {
    return this.#runtime.waitContainer(this.reference, options);
  }

  /** Asks it to end, and ends it after the grace period. Resolves to how it ended. */
  async stop(options?: { timeoutMs?: number | undefined }): Promise<ExitResult> {
    await this.#runtime.stopContainer(this.reference, options);
    return this.wait();
  }

  /** Sends a signal to its process. */
  kill(signal: string | number): Promise<void> {
    return this.#runtime.killContainer(this.reference, signal);
  }

  /** Runs a command in it to its end. */
  exec(command: readonly string[], options?: BufferedExecOptions): Promise<ExecResult> {
    return this.#runtime.exec(this.reference, command, options);
  }

  /** Starts a command in it. */
  spawn(command: readonly string[], options?: StreamingExecOptions): Promise<ExecProcess> {
    return this.#runtime.execStream(this.reference, command, options);
  }

  /** Gives the workload's terminal a new size. */
  resize(size: TerminalSize): Promise<void> {
    return this.#runtime.resizeTerminal(this.reference, size);
  }

  /** What it has written, as it was recorded. */
  logs(options?: LogOptions): AsyncIterable<LogChunk> {
    return this.#runtime.logsStream(this.reference, options);
  }

  /** Where a port of the container is on the host. `NOT_FOUND` when the spec does not publish it. */
  async port(containerPort: number, protocol: PublishedPort['protocol'] = 'tcp'): Promise<PublishedPort> {
    const ports = await this.#runtime.portMappings(this.reference);
    const found = ports.find((port) => port.containerPort === containerPort && port.protocol === protocol);
    if (found) return found;
    throw new NotFoundError(`port ${containerPort}/${protocol} of the container is not published`, {
      subject: `${containerPort}/${protocol}`,
      remedy: "Name it in the spec's ports.",
    });
  }

  /** Removes the container, whether or not it runs, and all it left on disk. */
  async remove(): Promise<void> {
    await this.#runtime.removeContainer(this.reference, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }
}
