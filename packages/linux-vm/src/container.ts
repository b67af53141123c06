import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { JsonFileLog, readJsonFileLog, type Vm } from '@zlayer/host';
import {
  type Cancellable,
  type ContainerId,
  type ContainerState,
  type ExitResult,
  formatContainerId,
  type LogChunk,
  type LogOptions,
  type OutputChunk,
  type ServiceSpec,
  type StartReport,
  signalNumber,
  signalOfExitCode,
  ZlayerError,
} from '@zlayer/runtime-core';
import type { AgentSession } from './agent-session.ts';
import { consoleTail } from './console-tail.ts';
import { writeContainerRecord } from './container-record.ts';
import { OutputChannel } from './output-channel.ts';
import { Serial } from './serial.ts';

/** How long a guest may take to carry out SIGKILL before its machine is turned off. */
const KILL_TIMEOUT_MS = 5000;

/** A machine whose connection broke because it ended is known to have ended within this time. */
const EXIT_PATIENCE_MS = 1000;

/** A workload that runs in a machine of its own. */
export interface RunningWorkload {
  vm: Vm;
  session: AgentSession;
  report: StartReport;
}

/** What a container needs to become a running workload. */
export interface ContainerPlan {
  id: ContainerId;
  spec: ServiceSpec;
  /** Full reference and manifest digest of the image. */
  image: { reference: string; digest: string };
  /** What asks the workload to end. */
  stopSignal: number;
  /** Boots a machine and starts the workload in it; leaves nothing behind when it fails. */
  launch(options: { consoleFile: string; stateDirectory: string; signal: AbortSignal }): Promise<RunningWorkload>;
}

/**
 * One container: its state, its files, and the machine it runs in. Changes of its state happen one after the other;
 * every end of the workload, however it comes, goes through one place (`#supervise`).
 */
export class Container {
  readonly #plan: ContainerPlan;
  readonly #directory: string;
  #log: JsonFileLog | undefined;
  readonly #changes = new Serial();
  readonly #records = new Serial();
  readonly #attached = new Set<OutputChannel>();
  #state: ContainerState = { status: 'pending' };
  #starting: AbortController | undefined;
  #running: RunningWorkload | undefined;
  #ended: PromiseWithResolvers<ExitResult> = Promise.withResolvers();

  private constructor(plan: ContainerPlan, directory: string) {
    this.#plan = plan;
    this.#directory = directory;
  }

  /**
   * Makes the container's directory and records the container in it.
   *
   * @throws ZlayerError `ALREADY_EXISTS` when the directory is there.
   */
  static async create(plan: ContainerPlan, directory: string): Promise<Container> {
    await makeDirectory(plan.id, directory);
    try {
      const container = new Container(plan, directory);
      // The log is there from the beginning, so that it can be read and followed at any time.
      await (await JsonFileLog.open(container.#logFile)).close();
      await container.#record();
      return container;
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  get id(): ContainerId {
    return this.#plan.id;
  }

  get image(): string {
    return this.#plan.image.reference;
  }

  get state(): ContainerState {
    return this.#state;
  }

  get #logFile(): string {
    return join(this.#directory, 'container.log');
  }

  get #isActive(): boolean {
    return ['initializing', 'running', 'stopping'].includes(this.#state.status);
  }

  start({ signal }: Cancellable): Promise<StartReport> {
    return this.#changes.run(async () => {
      signal?.throwIfAborted();
      if (this.#isActive) throw this.#conflict('is running already');
      if (this.#state.status !== 'pending') this.#ended = Promise.withResolvers();
      this.#starting = new AbortController();
      this.#state = { status: 'initializing' };
      try {
        await this.#record();
        this.#log = await JsonFileLog.open(this.#logFile);
        const running = await this.#plan.launch({
          consoleFile: join(this.#directory, 'console.log'),
          stateDirectory: this.#directory,
          signal: AbortSignal.any(signal ? [signal, this.#starting.signal] : [this.#starting.signal]),
        });
        this.#running = running;
        await this.#enter({ status: 'running' });
        void this.#supervise(running);
        return running.report;
      } catch (error) {
        await this.#finish({ reason: 'runtime-error', exitCode: undefined, message: (error as Error).message });
        throw error;
      } finally {
        this.#starting = undefined;
      }
    });
  }

  async stop(timeoutMs: number): Promise<void> {
    // A start that is under way is given up, not waited for.
    this.#starting?.abort(this.#conflict('was stopped while it started'));
    await this.#changes.run(async () => {
      const running = this.#running;
      if (!running) return;
      await this.#enter({ status: 'stopping' });
      if (timeoutMs > 0 && (await this.#endedBy(running, this.#plan.stopSignal, timeoutMs))) return;
      // What is left to read is little now, and a reader that has stopped reading must not hold up the end.
      for (const channel of this.#attached) channel.release();
      if (await this.#endedBy(running, signalNumber('SIGKILL'), KILL_TIMEOUT_MS)) return;
      await running.vm.kill();
      await this.#ended.promise;
    });
  }

  async kill(signal: string | number): Promise<void> {
    const signum = signalNumber(signal);
    const running = this.#running;
    if (!running) throw this.#conflict('is not running');
    await running.session.signal(signum);
  }

  async remove(force: boolean): Promise<void> {
    if (this.#isActive) {
      if (!force) throw this.#conflict('is running', 'Stop it first, or force its removal.');
      await this.stop(0);
    }
    await this.#changes.run(async () => {
      if (this.#isActive) throw this.#conflict('was started again while it was removed');
      await rm(this.#directory, { recursive: true, force: true });
      this.#ended.resolve({ reason: 'runtime-error', exitCode: undefined, message: 'the container was removed' });
      for (const channel of this.#attached) channel.end();
    });
  }

  async wait({ signal }: Cancellable): Promise<ExitResult> {
    if (!signal) return this.#ended.promise;
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await Promise.race([this.#ended.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  attach({ signal }: Cancellable): AsyncIterable<OutputChunk> {
    signal?.throwIfAborted();
    const channel = new OutputChannel();
    this.#attached.add(channel);
    signal?.addEventListener('abort', () => void channel.return(), { once: true });
    return channel;
  }

  async *logs({ follow = false, tail, signal }: LogOptions): AsyncGenerator<LogChunk, void> {
    yield* readJsonFileLog(this.#logFile, { follow, until: this.#ended.promise, tail, signal });
  }

  /** Carries the workload's output until its end, whatever the end is, and then puts everything away. */
  async #supervise(running: RunningWorkload): Promise<void> {
    let result: ExitResult;
    try {
      const exitCode = await running.session.drain((chunk) => this.#output(chunk));
      const signal = signalOfExitCode(exitCode);
      result = signal === undefined ? { reason: 'exited', exitCode } : { reason: 'signal', exitCode, signal };
    } catch (error) {
      result = {
        reason: 'runtime-error',
        exitCode: undefined,
        message: await this.#explain(error as Error, running.vm),
      };
    }
    running.session[Symbol.dispose]();
    await running.vm.kill().catch(() => {});
    await this.#finish(result);
  }

  async #output(chunk: OutputChunk): Promise<void> {
    await Promise.all([
      this.#log?.write(chunk.stream, chunk.data),
      ...[...this.#attached].map((channel) => channel.push(chunk)),
    ]);
  }

  /** When the machine itself ended, that and its last words say more than the connection that broke. */
  async #explain(error: Error, vm: Vm): Promise<string> {
    const exit = await Promise.race([vm.exited, delay(EXIT_PATIENCE_MS, undefined)]);
    if (!exit) return error.message;
    const lastWords = await consoleTail(join(this.#directory, 'console.log'));
    const text = `the virtual machine ended while the workload ran: ${exit.message}`;
    return lastWords ? `${text}\nLast lines of its console:\n${lastWords}` : text;
  }

  async #finish(result: ExitResult): Promise<void> {
    this.#running = undefined;
    await this.#log?.close().catch(() => {});
    this.#log = undefined;
    await this.#enter(
      result.reason === 'runtime-error'
        ? { status: 'failed', reason: result.message }
        : { status: 'exited', exitCode: result.exitCode },
    );
    for (const channel of this.#attached) channel.end();
    this.#attached.clear();
    this.#ended.resolve(result);
  }

  async #endedBy({ session }: RunningWorkload, signum: number, timeoutMs: number): Promise<boolean> {
    // A session that is gone already means that the end is on its way.
    await session.signal(signum).catch(() => {});
    const timeout = Promise.withResolvers<false>();
    const timer = setTimeout(() => timeout.resolve(false), timeoutMs);
    try {
      return await Promise.race([this.#ended.promise.then(() => true), timeout.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The state is a fact, whether or not the disk has room to record it. */
  async #enter(state: ContainerState): Promise<void> {
    this.#state = state;
    await this.#record().catch(() => {});
  }

  async #record(): Promise<void> {
    const { id, spec, image } = this.#plan;
    // One after the other, each with the state of its moment: an older one never replaces a newer one.
    await this.#records.run(() => {
      return writeContainerRecord(this.#directory, { id, image, spec, state: this.#state });
    });
  }

  #conflict(what: string, remedy?: string): ZlayerError {
    const name = formatContainerId(this.#plan.id);
    return new ZlayerError('CONFLICT', `container ${name} ${what}`, { subject: name, remedy });
  }
}

async function makeDirectory(id: ContainerId, directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    const name = formatContainerId(id);
    throw new ZlayerError('ALREADY_EXISTS', `container ${name} exists already, in ${directory}`, {
      subject: name,
      remedy: 'Remove it first, in the program that made it, or use another id.',
      cause,
    });
  }
}
