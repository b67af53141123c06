import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { JsonFileLog, readJsonFileLog, type Vm } from '@zlayer/host';
import {
  abortable,
  type Cancellable,
  type ContainerDetails,
  type ContainerId,
  type ContainerState,
  type ContainerSummary,
  type ExitResult,
  formatContainerId,
  isActive,
  type LogChunk,
  type LogOptions,
  NotFoundError,
  type OutputChunk,
  type Platform,
  type RuntimeEvent,
  type ServiceSpec,
  type StartReport,
  signalNumber,
  signalOfExitCode,
  type WaitCondition,
  ZlayerError,
} from '@zlayer/runtime-core';
import { type AgentSession, signalWorkload } from './agent-session.ts';
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

type WithoutSource<T> = T extends unknown ? Omit<T, 'time' | 'container'> : never;
/** An event of one container; the runtime adds whose and when. */
export type ContainerEvent = WithoutSource<RuntimeEvent>;

/** What a container needs to become a running workload. */
export interface ContainerPlan {
  id: ContainerId;
  spec: ServiceSpec;
  /** Full reference and manifest digest of the image. */
  image: { reference: string; digest: string };
  platform: Platform;
  /** Told what happens to the container, as it happens. */
  onEvent(instance: string, event: ContainerEvent): void;
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
  /** Tells this container from a later one of the same id. */
  readonly instance = randomUUID();
  readonly createdAt = new Date();
  readonly #plan: ContainerPlan;
  readonly #directory: string;
  #log: JsonFileLog | undefined;
  readonly #changes = new Serial();
  readonly #records = new Serial();
  readonly #attached = new Set<OutputChannel>();
  #state: ContainerState = { status: 'pending' };
  #starting: AbortController | undefined;
  #running: RunningWorkload | undefined;
  /** How the present run ends, or the last one ended. */
  #ended: PromiseWithResolvers<ExitResult> = Promise.withResolvers();
  /** How the run ends that ends next. */
  #nextEnd: PromiseWithResolvers<ExitResult> = Promise.withResolvers();
  readonly #removed: PromiseWithResolvers<ExitResult> = Promise.withResolvers();
  #isRemoved = false;
  #startedAt: Date | undefined;
  #endedAt: Date | undefined;
  #exit: ExitResult | undefined;

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
      plan.onEvent(container.instance, { type: 'created' });
      return container;
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  get id(): ContainerId {
    return this.#plan.id;
  }

  get spec(): ServiceSpec {
    return this.#plan.spec;
  }

  get summary(): ContainerSummary {
    return { id: this.id, instance: this.instance, image: this.#plan.image.reference, state: this.#state };
  }

  get details(): ContainerDetails {
    return {
      ...this.summary,
      spec: this.spec,
      imageDigest: this.#plan.image.digest,
      platform: this.#plan.platform,
      createdAt: this.createdAt,
      startedAt: this.#startedAt,
      endedAt: this.#endedAt,
      exit: this.#exit,
      directory: this.#directory,
    };
  }

  get state(): ContainerState {
    return this.#state;
  }

  get #logFile(): string {
    return join(this.#directory, 'container.log');
  }

  get #isActive(): boolean {
    return isActive(this.#state.status);
  }

  start({ signal }: Cancellable): Promise<StartReport> {
    return this.#changes.run(async () => {
      signal?.throwIfAborted();
      if (this.#isRemoved) throw new NotFoundError(`container ${formatContainerId(this.id)} was removed`);
      if (this.#isActive) throw this.#conflict('is running already');
      if (this.#state.status !== 'pending') this.#ended = Promise.withResolvers();
      this.#starting = new AbortController();
      this.#setState({ status: 'initializing' });
      this.#exit = undefined;
      this.#endedAt = undefined;
      try {
        await this.#record();
        this.#log = await JsonFileLog.open(this.#logFile);
        const running = await this.#plan.launch({
          consoleFile: join(this.#directory, 'console.log'),
          stateDirectory: this.#directory,
          signal: AbortSignal.any(signal ? [signal, this.#starting.signal] : [this.#starting.signal]),
        });
        this.#running = running;
        this.#startedAt = new Date();
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
    this.#giveUpStart();
    await this.#changes.run(() => this.#end(timeoutMs));
  }

  pause(): Promise<void> {
    return this.#changes.run(async () => {
      const running = this.#running;
      if (!running || this.#state.status !== 'running') throw this.#conflict('is not running');
      await running.vm.pause();
      await this.#enter({ status: 'paused' });
    });
  }

  unpause(): Promise<void> {
    return this.#changes.run(async () => {
      const running = this.#running;
      if (!running || this.#state.status !== 'paused') throw this.#conflict('is not paused');
      await running.vm.resume();
      await this.#enter({ status: 'running' });
    });
  }

  async kill(signal: string | number): Promise<void> {
    const signum = signalNumber(signal);
    const running = this.#running;
    if (!running || this.#state.status === 'paused') throw this.#conflict('is not running');
    await signalWorkload(running.vm, signum);
  }

  async remove(force: boolean): Promise<void> {
    if (force) this.#giveUpStart();
    await this.#changes.run(async () => {
      if (this.#isActive && !force) throw this.#conflict('is running', 'Stop it first, or force its removal.');
      await this.#end(0);
      await rm(this.#directory, { recursive: true, force: true });
      const never = { reason: 'runtime-error', exitCode: undefined, message: 'the container was removed' } as const;
      this.#ended.resolve(never);
      this.#nextEnd.resolve(never);
      for (const channel of this.#attached) channel.end();
      if (!this.#isRemoved) this.#plan.onEvent(this.instance, { type: 'removed' });
      this.#isRemoved = true;
      this.#removed.resolve(this.#exit ?? never);
    });
  }

  async wait({ condition = 'not-running', signal }: { condition?: WaitCondition | undefined } & Cancellable) {
    const ends = { 'not-running': this.#ended, 'next-exit': this.#nextEnd, removed: this.#removed };
    return abortable(ends[condition].promise, signal);
  }

  attach({ signal }: Cancellable): AsyncIterable<OutputChunk> {
    signal?.throwIfAborted();
    const channel = new OutputChannel();
    this.#attached.add(channel);
    signal?.addEventListener('abort', () => channel.abort(signal.reason), { once: true });
    return channel;
  }

  async *logs(options: LogOptions): AsyncGenerator<LogChunk, void> {
    const { follow = false, tail, cursor, since, until, stdout = true, stderr = true, signal } = options;
    const wanted = { stdout, stderr };
    const entries = readJsonFileLog(this.#logFile, {
      follow,
      until: this.#ended.promise,
      tail,
      cursor: cursor === undefined ? undefined : readCursor(cursor),
      signal,
    });
    for await (const entry of entries) {
      if (!wanted[entry.stream] || (since !== undefined && entry.time < since)) continue;
      if (until !== undefined && entry.time >= until) return;
      yield { ...entry, cursor: String(entry.cursor) };
    }
  }

  async writeStdin(data: Uint8Array): Promise<void> {
    await this.#input().write(data);
  }

  async closeStdin(): Promise<void> {
    await this.#input().end();
  }

  #input(): AgentSession['input'] {
    if (!this.#running) throw this.#conflict('is not running');
    if (!this.#running.session.input.isOpen()) throw this.#conflict('has no open standard input');
    return this.#running.session.input;
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
    this.#exit = result;
    this.#endedAt = new Date();
    await this.#log?.close().catch(() => {});
    this.#log = undefined;
    await this.#enter(
      result.reason === 'runtime-error'
        ? { status: 'failed', reason: result.message }
        : { status: 'exited', exitCode: result.exitCode },
    );
    for (const channel of this.#attached) channel.end();
    this.#attached.clear();
    this.#plan.onEvent(this.instance, { type: 'exited', result });
    this.#ended.resolve(result);
    this.#nextEnd.resolve(result);
    this.#nextEnd = Promise.withResolvers();
  }

  /** A start that is under way is given up by what would end its container anyway. */
  #giveUpStart(): void {
    this.#starting?.abort(this.#conflict('was stopped while it started'));
  }

  /** Ends the workload, if there is one. Only to be called from within a change of state. */
  async #end(timeoutMs: number): Promise<void> {
    const running = this.#running;
    if (!running) return;
    // A guest that stands still can carry out nothing.
    if (this.#state.status === 'paused') await running.vm.resume();
    await this.#enter({ status: 'stopping' });
    if (timeoutMs > 0 && (await this.#endedBy(running, this.#plan.stopSignal, timeoutMs))) return;
    // What is left to read is little now, and a reader that has stopped reading must not hold up the end.
    for (const channel of this.#attached) channel.release();
    if (await this.#endedBy(running, signalNumber('SIGKILL'), KILL_TIMEOUT_MS)) return;
    await running.vm.kill();
    await this.#ended.promise;
  }

  async #endedBy({ vm }: RunningWorkload, signum: number, timeoutMs: number): Promise<boolean> {
    // A machine that takes no signal any more is about to end, or will be ended.
    await signalWorkload(vm, signum).catch(() => {});
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
    this.#setState(state);
    await this.#record().catch(() => {});
  }

  #setState(state: ContainerState): void {
    this.#state = state;
    this.#plan.onEvent(this.instance, { type: 'state', state });
  }

  async #record(): Promise<void> {
    const { id, spec, image } = this.#plan;
    // One after the other, each with the state of its moment: an older one never replaces a newer one.
    await this.#records.run(() => {
      return writeContainerRecord(this.#directory, { id, instance: this.instance, image, spec, state: this.#state });
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

function readCursor(cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new ZlayerError('INVALID_SPEC', `${JSON.stringify(cursor)} is not a cursor of this log`, {
    subject: cursor,
    remedy: 'Use the cursor of a chunk that this log has given.',
  });
}
